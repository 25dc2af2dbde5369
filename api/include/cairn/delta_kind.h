// SPDX-License-Identifier: Apache-2.0
//
// How a delta object says what differs between two tensors (docs/format/delta-objects.md). The numbers are frozen: they
// are written in manifests.
#pragma once

#include <cstdint>
#include <string_view>

#include "cairn/dtype.h"
#include "cairn/result.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

enum class DeltaKind : std::uint8_t {
  // No difference: the content itself, stored instead of a delta that was not worth it.
  whole = 0,

  // Lossless: bit for bit, whatever the elements are (NaN payloads, -0, denormals).
  raw_difference = 1,     // of the elements' bit patterns, as integers that wrap around
  xor_split = 2,          // XOR, split into one stream for each byte of an element
  exponent_mantissa = 3,  // differences of sign and exponent, and of mantissas, in two streams: floats and complex
  ulp_grouped = 4,        // differences in units of last place, by the base's exponent: floats, complex, integers

  // Lossy, within a bound: floats and integers of one byte or more, none complex.
  int8 = 5,         // differences in steps of one size, in a byte each
  int16 = 6,        // the same in two bytes
  sparse = 7,       // small differences are dropped; other elements are kept as they are
  axis_scaled = 8,  // int8 with a step of its own for each slice along an axis
};

constexpr bool is_lossless(DeltaKind kind) noexcept { return kind <= DeltaKind::ulp_grouped; }
bool delta_kind_is_valid(std::uint8_t value) noexcept;
std::string_view delta_kind_name(DeltaKind kind) noexcept;  // "xor_split"; "unknown" for a bad value
Result<DeltaKind> parse_delta_kind(std::string_view name);

}  // namespace cairn
#pragma GCC visibility pop
