// SPDX-License-Identifier: Apache-2.0
//
// Content for the codec's tests: the same on every machine, so integers only where a
// golden payload or a size depends on it, and a generator of our own.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>
#include <string>
#include <vector>

#include "cairn/dtype.h"
#include "engine/base/bytes.h"
#include "engine/codec/simd.h"

namespace cairn {

using Content = std::vector<std::byte>;

struct Random {
  std::uint64_t state;
  std::uint64_t next() {
    state += 0x9E3779B97F4A7C15;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  double uniform() { return (static_cast<double>(next() >> 11) + 0.5) * 0x1p-53; }
  double normal() { return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::numbers::pi * uniform()); }
};

template <class T>
void put_at(Content& content, std::size_t at, T value) {
  const std::size_t size = at < content.size() ? std::min(sizeof(T), content.size() - at) : 0;
  if (size != 0) std::memcpy(content.data() + at, &value, size);
}

// IEEE binary16 of x by cutting the mantissa; too small becomes zero.
inline std::uint16_t half(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const int exponent = static_cast<int>(bits >> 23 & 255) - 112;
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  if (exponent <= 0) return sign;
  return static_cast<std::uint16_t>(sign | static_cast<unsigned>(exponent) << 10 | (bits >> 13 & 1023));
}

// Rows of 1024 normally distributed elements, each row of its own scale.
inline Content weights(DType dtype, std::size_t size, std::uint64_t seed = 1) {
  Random random{seed};
  Content content(size);
  const std::size_t width = dtype == DType::f64 ? 8 : dtype == DType::f32 ? 4 : dtype_bits(dtype) == 8 ? 1 : 2;
  double sigma = 0;
  for (std::size_t i = 0; i * width < size; ++i) {
    if (i % 1024 == 0) sigma = 0.02 * std::exp2(0.5 * random.normal());
    const double x = sigma * random.normal();
    const auto single = static_cast<float>(x);
    switch (dtype) {
      case DType::f64: put_at(content, i * 8, x); break;
      case DType::f32: put_at(content, i * 4, single); break;
      case DType::f16: put_at(content, i * 2, half(single)); break;
      case DType::f8_e5m2: put_at(content, i, static_cast<std::uint8_t>(half(single) >> 8)); break;
      default: put_at(content, i * 2, static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(single) >> 16)); break;
    }
  }
  return content;
}

inline Content noise(std::size_t size, std::uint64_t seed = 1) {
  Random random{seed};
  Content content(size);
  for (std::size_t i = 0; i < size; i += 8) put_at(content, i, random.next());
  return content;
}

inline Content text(std::size_t size) {
  static constexpr std::array<const char*, 8> kWords{"block ", "segment ", "digest ",   "log ",
                                                     "view ",  "tensor ",  "snapshot ", "ref\n"};
  Random random{5};
  std::string words;
  while (words.size() < size) words += kWords[random.below(kWords.size())] + std::to_string(random.below(1000)) + " ";
  const Bytes bytes = as_bytes(words);
  return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)};
}

// Every exponent of every type with both signs, beside zeros, infinities, denormals and
// NaNs with payloads: bit patterns, so nothing may touch them as numbers.
inline Content special_values(std::size_t size) {
  static constexpr std::array<std::uint64_t, 20> kPatterns{
      0x0000000000000000, 0x8000000000000000, 0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000001,
      0x7FF00000DEADBEEF, 0xFFFFFFFFFFFFFFFF, 0x0000000000000001, 0x800FFFFFFFFFFFFF, 0x7F8000007F800001,
      0xFF80000080000000, 0x7FC12345FFC54321, 0x0000000100800000, 0x7C00FC007E01FE55, 0x0001800003FF83FF,
      0x7F80FF807FC1FFA5, 0x0080807F00018001, 0x787CF8FC7B7F0180, 0x3C00BC003F80BF80, 0x3FF0000000000000};
  Content content(size);
  for (std::size_t at = 0, i = 0; at < size; at += 8, ++i) {
    // A walk through the exponents between the patterns.
    const std::uint64_t walk = (i * 0x0010000800804201) ^ (i << 63);
    put_at(content, at, i % 2 == 0 ? kPatterns[i / 2 % kPatterns.size()] : walk);
  }
  return content;
}

// Mostly zeros, as in pruned weights.
inline Content sparse(std::size_t size) {
  Content content = weights(DType::bf16, size);
  Random random{9};
  for (std::size_t at = 0; at < size; at += 2) {
    if (random.below(10) != 0) put_at(content, at, std::uint16_t{0});
  }
  return content;
}

inline std::vector<DType> all_dtypes() {
  std::vector<DType> dtypes;
  for (unsigned value = 0; dtype_is_valid(static_cast<std::uint8_t>(value)); ++value)
    dtypes.push_back(static_cast<DType>(value));
  return dtypes;
}

// The levels that this processor can run, scalar first.
inline std::vector<SimdLevel> simd_levels() {
  std::vector<SimdLevel> levels;
  for (const SimdLevel level : {SimdLevel::scalar, SimdLevel::avx2, SimdLevel::avx512}) {
    if (level <= simd_level()) levels.push_back(level);
  }
  return levels;
}

}  // namespace cairn
