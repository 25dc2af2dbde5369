// SPDX-License-Identifier: Apache-2.0
//
// Elements as differences from those of a base, in units of last place: bit patterns of floats
// are mapped to integers in the order of the values, so that neighbouring floats differ by one
// whatever their exponents. A difference becomes a token, which is worth coding, and bits that
// are not.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cairn/dtype.h"
#include "engine/base/bytes.h"
#include "engine/codec/simd.h"

namespace cairn {

// What elements are. For integers exponent_bits is 0.
struct ElementLayout {
  unsigned width = 1;  // bytes: 1, 2, 4 or 8
  unsigned exponent_shift = 0;
  unsigned exponent_bits = 0;
  bool floating() const noexcept { return exponent_bits != 0; }
  friend bool operator==(const ElementLayout&, const ElementLayout&) = default;
};
ElementLayout element_layout(DType dtype) noexcept;

// From the bits of a float to an integer in the order of the values, and back: negative
// floats in reverse. Its own inverse.
template <class U>
constexpr U ordered(U bits, bool floating) noexcept {
  constexpr unsigned kTop = 8 * sizeof(U) - 1;
  const bool negative = (bits >> kTop) != 0;
  return floating && negative ? static_cast<U>(bits ^ (static_cast<U>(~U{0}) >> 1)) : bits;
}

// --- Tokens ---
//
// A difference d is folded to z = 2|d| or 2|d| - 1, so that small ones of either sign are small.
// Below 16 z is its own token. Otherwise the token says how many bits z has and the two below the
// highest, and the others follow as they are: kind 16 + 4 × (bits − 5) + those two.

inline constexpr unsigned kPlainTokens = 16;
constexpr unsigned low_bits_of(unsigned token) noexcept {
  return token < kPlainTokens ? 0 : (token - kPlainTokens) / 4 + 2;
}
constexpr unsigned token_count(unsigned width) noexcept { return kPlainTokens + 4 * (8 * width - 4); }

// Room for the low bits of `count` elements.
constexpr std::size_t low_bits_bound(std::size_t count, unsigned width) noexcept { return count * width + 64; }

// Writes a token for each element and the low bits, lowest first, one element after the other.
// Returns the bytes of the low bits.
std::size_t split_differences(const std::byte* content, const std::byte* base, std::size_t count, ElementLayout layout,
                              std::byte* tokens, std::byte* low_bits, SimdLevel level) noexcept;

// The inverse. False if `low_bits` is not exactly as long as the tokens ask for, or a token
// does not exist.
bool join_differences(Bytes tokens, Bytes low_bits, const std::byte* base, ElementLayout layout, std::byte* content,
                      SimdLevel level) noexcept;

// --- Contexts ---
//
// A change of about the same absolute size is many units of last place in a small float and
// few in a large one: the base's exponent says how large a difference to expect.

// Writes min(top − e, contexts − 1), or 0 where e > top, for every element, where e is the
// exponent field of the base's.
void exponent_contexts(const std::byte* base, std::size_t count, ElementLayout layout, unsigned top, unsigned contexts,
                       std::byte* out, SimdLevel level) noexcept;

}  // namespace cairn
