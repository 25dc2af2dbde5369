// SPDX-License-Identifier: Apache-2.0
//
// Floats of every type as doubles, which hold each of them exactly, and back, rounded to nearest even.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cairn/dtype.h"

namespace cairn {

// `dtype` is a float or made of floats: element_type() says how wide they are.
void to_doubles(DType dtype, const std::byte* from, std::size_t count, double* to) noexcept;
// What is too large becomes an infinity, or a NaN where there is none. Every NaN becomes one and the same.
void from_doubles(DType dtype, const double* from, std::size_t count, std::byte* to) noexcept;

}  // namespace cairn
