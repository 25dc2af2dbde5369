// SPDX-License-Identifier: Apache-2.0
//
// What the elements of a tensor are to those who compute with them, and which kinds of delta suit them.
#pragma once

#include <string>

#include "cairn/delta_kind.h"
#include "cairn/dtype.h"

namespace cairn {

// Complex elements are two floats each, one after the other. Packed and opaque ones are bytes.
struct ElementType {
  enum class Number : std::uint8_t { none, unsigned_integer, signed_integer, floating };

  unsigned width = 1;  // bytes: 1, 2, 4 or 8
  Number number = Number::none;
  unsigned exponent_bits = 0, mantissa_bits = 0;  // of floats
  bool complex = false;
  bool has_patterns = true;  // whether each element is `width` bytes: its bit pattern

  bool floating() const noexcept { return number == Number::floating; }
  bool integer() const noexcept { return number == Number::unsigned_integer || number == Number::signed_integer; }
};
ElementType element_type(DType dtype) noexcept;

// Why a kind of delta has no meaning for such elements; nullptr when it has.
const char* unsuited(DeltaKind kind, DType dtype) noexcept;

}  // namespace cairn
