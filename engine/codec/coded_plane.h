// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a plane that is worth a look: constant, Huffman-coded with one code or
// with a code for each segment, or raw after all.
#pragma once

#include "engine/codec/huffman.h"

namespace cairn {

// Frozen numbers: written in payloads.
enum class PlaneKind : std::uint8_t { raw = 0, constant = 1, huffman = 2, huffman_segments = 3 };

// Bytes of a plane that share a code under PlaneKind::huffman_segments: few enough to
// follow a tensor whose parts differ, enough to pay for a table on both sides.
inline constexpr std::size_t kSegmentBytes = 128 * KiB;

struct CodedPlane {
  PlaneKind kind = PlaneKind::raw;
  std::size_t size = 0;  // of the body; 0 if the kind is constant
};

// Bytes that encode_plane may write.
constexpr std::size_t coded_plane_bound(std::size_t count) noexcept {
  return huffman_bound(count) + count / kSegmentBytes * (huffman_bound(0) + 4);
}

// Encodes a plane of at least one byte, raw if coding does not save a 64th of it.
CodedPlane encode_plane(Bytes plane, std::byte* out, SimdLevel level) noexcept;

// Decodes a body of kind huffman or huffman_segments. False if it is none of a plane of
// into.size() bytes.
bool decode_plane(PlaneKind kind, Bytes body, MutableBytes into, HuffmanDecoder& huffman, SimdLevel level) noexcept;

}  // namespace cairn
