// SPDX-License-Identifier: Apache-2.0
#include "api/src/float_values.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "engine/base/endian.h"

namespace cairn {
namespace {

// IEEE 754 binary16.
double half_value(std::uint16_t bits) {
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  if (exponent == 31)
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(mantissa, -24);
  return sign * std::ldexp(1024 + mantissa, exponent - 25);
}

double value_at(DType dtype, const std::byte* at) {
  switch (dtype) {
    case DType::f64: return std::bit_cast<double>(load_le<std::uint64_t>(at));
    case DType::f32: return std::bit_cast<float>(load_le<std::uint32_t>(at));
    case DType::bf16: return std::bit_cast<float>(std::uint32_t{load_le<std::uint16_t>(at)} << 16);
    default: return half_value(load_le<std::uint16_t>(at));
  }
}

}  // namespace

bool has_float_values(DType dtype) noexcept {
  return dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
}

void FloatDifference::add(DType dtype, Bytes a, Bytes b) {
  const std::size_t width = dtype_bits(dtype) / 8;
  for (std::size_t i = 0; i + width <= a.size(); i += width) {
    const double x = value_at(dtype, a.data() + i);
    const double y = value_at(dtype, b.data() + i);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double difference =
        std::isfinite(x) && std::isfinite(y) ? std::abs(x - y) : std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
    sum += difference;
  }
}

}  // namespace cairn
