// SPDX-License-Identifier: Apache-2.0
//
// Entropy coding of symbols whose probabilities depend on a context that both sides know:
// range asymmetric numeral systems (Duda, arXiv:1311.2540) with many states side by side
// (Giesen, arXiv:1402.3392), so that a processor need not wait for one symbol to decode the
// next. Unlike a prefix code it spends a fraction of a bit where a symbol is all but certain.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/codec/simd.h"

namespace cairn {

inline constexpr unsigned kRansBits = 12;  // of a probability: all of a context add up to 4096
inline constexpr std::uint32_t kRansTotal = 1U << kRansBits;
inline constexpr std::size_t kRansStates = 64;       // symbol i belongs to state i % kRansStates
inline constexpr std::uint32_t kRansLow = 1U << 15;  // a state is in [2^15, 2^31) between symbols
inline constexpr std::size_t kRansContextsMax = 32;

// Symbols and contexts are bytes, one of each for every element; a context is less than the
// number of contexts. A body holds the probabilities, the states and the words.
constexpr std::size_t rans_bound(std::size_t count) noexcept {
  return kRansContextsMax * (1 + 2 * 256) + 4 * kRansStates + 2 * count + 64;
}

// Keep one per thread.
class RansEncoder {
 public:
  RansEncoder();
  ~RansEncoder();
  RansEncoder(RansEncoder&&) noexcept;
  RansEncoder& operator=(RansEncoder&&) noexcept;

  // Writes the body to `out`, which has rans_bound(symbols.size()) bytes, and returns its size.
  std::size_t encode(Bytes symbols, Bytes contexts, std::size_t context_count, std::byte* out, SimdLevel level);

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

// Keep one per thread.
class RansDecoder {
 public:
  RansDecoder();
  ~RansDecoder();
  RansDecoder(RansDecoder&&) noexcept;
  RansDecoder& operator=(RansDecoder&&) noexcept;

  // False if `body` is not the body of exactly contexts.size() symbols; never reads outside
  // `body` or writes outside `symbols`, which is as long. Contexts are less than
  // `context_count`, which is at most kRansContextsMax: the caller's word.
  bool decode(Bytes body, Bytes contexts, std::size_t context_count, MutableBytes symbols, SimdLevel level);

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

}  // namespace cairn
