// SPDX-License-Identifier: Apache-2.0
//
// The inner loops of rANS.
#pragma once

#include <array>
#include <cstdint>

#include "engine/codec/rans.h"

namespace cairn {

using RansStates = std::array<std::uint32_t, kRansStates>;

// What belongs to one context in tables of symbols. More than 256: with a power of two the same symbol
// of all contexts would fall on the same few lines of a cache.
inline constexpr std::size_t kRansContextStride = 272;

// A symbol of a context, ready for encoding: by the reciprocal of its frequency instead of
// by division (Giesen's construction; exact for states below 2^31).
struct RansEncodeTable {
  // By RansIndex. Bits 0 to 31: the reciprocal; 32 to 44: the frequency; 45 to 57:
  // the bias; 58 to 61: the reciprocal's shift.
  std::array<std::uint64_t, kRansContextsMax * kRansContextStride> code;
};

// At context × 4096 + slot: symbol (8 bits), frequency − 1 (12), slot − start (12).
struct RansDecodeTable {
  alignas(64) std::array<std::uint32_t, kRansContextsMax * kRansTotal> entry;
};

// What there is to encode: context × kRansContextStride + symbol.
using RansIndex = std::uint16_t;
void rans_indexes(Bytes symbols, Bytes contexts, RansIndex* out, SimdLevel level) noexcept;

// Encodes all symbols, the last first. Words are written downwards from `end`; returns where
// they begin.
std::byte* rans_encode_words(std::span<const RansIndex> indexes, const RansEncodeTable& table, RansStates& states,
                             std::byte* end, SimdLevel level) noexcept;

// Decodes all symbols, as far as there are words: false if they run out or are not used up,
// or if the states do not end where encoding began.
bool rans_decode_words(Bytes words, Bytes contexts, const RansDecodeTable& table, RansStates& states,
                       MutableBytes symbols, SimdLevel level) noexcept;

}  // namespace cairn
