// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/sketch.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <string>

#include "engine/codec/ulp.h"
#include "tests/codec/content.h"

namespace cairn::testing {
namespace {

constexpr std::size_t kCount = 100'000;

std::vector<double> normal(std::uint64_t seed, double deviation) {
  std::mt19937_64 random(seed);
  std::vector<double> out(kCount);
  for (double& value : out) {
    // Box and Muller: the same on every machine's library.
    const double u = (static_cast<double>(random() >> 11) + 0.5) / 9007199254740992.0;
    const double v = static_cast<double>(random() >> 11) / 9007199254740992.0;
    value = deviation * std::sqrt(-2 * std::log(u)) * std::cos(2 * 3.14159265358979 * v);
  }
  return out;
}

std::vector<double> moved(const std::vector<double>& from, double step) {
  const std::vector<double> by = normal(99, step);
  std::vector<double> out = from;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += by[i];
  return out;
}

template <class T>
std::string bytes_of(const std::vector<double>& values, double scale) {
  std::string out(values.size() * sizeof(T), '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T value = static_cast<T>(values[i] * scale);
    std::memcpy(&out[i * sizeof(T)], &value, sizeof(T));
  }
  return out;
}

std::string elements(const std::vector<double>& values, DType dtype) {
  switch (dtype) {
    case DType::f64: return bytes_of<double>(values, 1);
    case DType::i8: return bytes_of<std::int8_t>(values, 1000);
    case DType::i32: return bytes_of<std::int32_t>(values, 1e8);
    case DType::f32: return bytes_of<float>(values, 1);
    default: break;
  }
  const std::string wide = bytes_of<float>(values, 1);
  std::string out;  // bf16, cut
  for (std::size_t i = 2; i < wide.size(); i += 4) out.append(wide, i, 2);
  return out;
}

Sketch sketched(const std::string& content, DType dtype) { return sketch_of(std::as_bytes(std::span(content)), dtype); }
std::size_t shared_bands(const Sketch& a, const Sketch& b) {
  std::size_t shared = 0;
  for (std::size_t i = 0; i < Sketch::kBands; ++i) shared += a.bands[i] == b.bands[i] ? 1 : 0;
  return shared;
}

constexpr DType kTypes[] = {DType::bf16, DType::f32, DType::f64, DType::i8, DType::i32};

TEST(SketchTest, WhatIsTheSameIsAtNoDistance) {
  for (const DType dtype : kTypes) {
    const Sketch sketch = sketched(elements(normal(1, 0.02), dtype), dtype);
    EXPECT_EQ(distance(sketch, sketch, dtype), 0.0);
    EXPECT_EQ(shared_bands(sketch, sketch), Sketch::kBands);
  }
}

TEST(SketchTest, WhatMovedALittleIsFoundAndNear) {
  for (const DType dtype : kTypes) {
    SCOPED_TRACE(dtype_name(dtype));
    const auto before = normal(1, 0.02);
    const Sketch a = sketched(elements(before, dtype), dtype);
    const Sketch near = sketched(elements(moved(before, 1e-4), dtype), dtype);
    const Sketch farther = sketched(elements(moved(before, 2e-3), dtype), dtype);
    EXPECT_GE(shared_bands(a, near), 8u);
    EXPECT_GE(shared_bands(a, farther), 1u);
    EXPECT_LT(distance(a, near, dtype), distance(a, farther, dtype));
    EXPECT_LE(distance(a, farther, dtype), similar_distance(a, dtype));
    EXPECT_EQ(distance(a, near, dtype), distance(near, a, dtype));
  }
}

TEST(SketchTest, StrangersShareNoBandAndAreFar) {
  for (const DType dtype : {DType::bf16, DType::f32, DType::f64, DType::i32}) {
    SCOPED_TRACE(dtype_name(dtype));
    for (std::uint64_t seed = 2; seed < 22; ++seed) {
      const Sketch a = sketched(elements(normal(1, 0.02), dtype), dtype);
      const Sketch b = sketched(elements(normal(seed, 0.02), dtype), dtype);
      EXPECT_EQ(shared_bands(a, b), 0u);
      EXPECT_GT(distance(a, b, dtype), similar_distance(a, dtype));
    }
  }
}

TEST(SketchTest, TheSmallestAndAnyTypeHaveOne) {
  const std::string content(kSketchBytesMin, '\x7f');
  for (unsigned value = 0; dtype_is_valid(static_cast<std::uint8_t>(value)); ++value) {
    const auto dtype = static_cast<DType>(value);
    const Sketch sketch = sketched(content, dtype);
    EXPECT_EQ(distance(sketch, sketch, dtype), 0.0);
    EXPECT_LT(similar_distance(sketch, dtype), 0.9) << dtype_name(dtype);
    EXPECT_GE(similar_distance(sketch, dtype), 0.0) << dtype_name(dtype);
  }
}

// Of values around zero, negative ones are next to positive ones.
TEST(SketchTest, ASignIsNoDistanceInOrder) {
  auto values = normal(5, 0.02);
  const Sketch a = sketched(elements(values, DType::f32), DType::f32);
  for (double& value : values) value += 1e-5;
  EXPECT_GE(shared_bands(a, sketched(elements(values, DType::f32), DType::f32)), 12u);
}

}  // namespace
}  // namespace cairn::testing
