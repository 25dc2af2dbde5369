// SPDX-License-Identifier: Apache-2.0
//
// Entropy coding of one plane of bytes: canonical Huffman codes of at most 11 bits in
// eight independent bit streams (docs/format/codecs.md). Eight, because a decoder waits
// for the length of one symbol before it can look at the next: eight such chains side by
// side keep a processor busy. Eleven, because five look-ups then fit one 64-bit load and
// the decoder's table fits the first-level cache.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/base/bytes.h"
#include "engine/codec/simd.h"

namespace cairn {

inline constexpr unsigned kHuffmanBitsMax = 11;
inline constexpr std::size_t kHuffmanStreams = 8;
// Of a body: which bytes occur, a length of four bits for each of those, and the sizes of
// all streams but the last.
inline constexpr std::size_t kHuffmanPresentBytes = 32;
inline constexpr std::size_t kHuffmanSizesBytes = 4 * (kHuffmanStreams - 1);

using ByteCounts = std::array<std::uint32_t, 256>;

// A code for each byte: `bits` are written lowest first. Length 0: the byte has no code.
struct HuffmanCode {
  std::array<std::uint8_t, 256> length{};
  std::array<std::uint16_t, 256> bits{};
};

// Counts for building a code: exact for up to 64 KiB, beyond that of every fourth stretch
// of 256 bytes; but a count is 0 only if the byte occurs nowhere in the plane.
ByteCounts count_for_code(Bytes plane, SimdLevel level) noexcept;

// The code lengths for these counts, at least two of which are not 0.
std::array<std::uint8_t, 256> huffman_lengths(const ByteCounts& counts) noexcept;

// The canonical code of these lengths. False if they are not those of a complete code.
bool assign_canonical(HuffmanCode& code) noexcept;

// Bytes that huffman_encode may write for a plane of `count` bytes.
constexpr std::size_t huffman_bound(std::size_t count) noexcept {
  return kHuffmanPresentBytes + 128 + kHuffmanSizesBytes + count / 8 * kHuffmanBitsMax + kHuffmanBitsMax +
         2 * kHuffmanStreams + 64;
}

// Writes the body of a plane of which every byte has a code, and returns its size.
std::size_t huffman_encode(Bytes plane, const HuffmanCode& code, std::byte* out, SimdLevel level) noexcept;

// Decodes bodies. Holds the look-up tables: keep one per thread.
class HuffmanDecoder {
 public:
  HuffmanDecoder();
  ~HuffmanDecoder();
  HuffmanDecoder(HuffmanDecoder&&) noexcept;
  HuffmanDecoder& operator=(HuffmanDecoder&&) noexcept;

  // False if `body` is not the body of exactly into.size() bytes; never reads outside
  // `body` or writes outside `into`.
  bool decode(Bytes body, MutableBytes into, SimdLevel level) noexcept;

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

}  // namespace cairn
