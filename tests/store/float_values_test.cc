// SPDX-License-Identifier: Apache-2.0
//
// What `cairn diff` says about tensors of floats: the values of elements, and how far two are
// apart. The bit patterns are from IEEE 754-2019 and the bfloat16 definition, not from the code.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "api/src/float_values.h"
#include "engine/base/endian.h"

namespace cairn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
std::vector<std::byte> elements(std::initializer_list<T> values) {
  std::vector<std::byte> bytes;
  ByteWriter writer(bytes);
  for (const T value : values) writer.put(value);
  return bytes;
}

template <class T>
FloatDifference difference(DType dtype, std::initializer_list<T> a, std::initializer_list<T> b) {
  FloatDifference out;
  out.add(dtype, elements(a), elements(b));
  return out;
}

struct Known {
  std::uint16_t bits;
  double value;
};

// The difference to zero is the value itself.
void expect_value(DType dtype, const Known& known) {
  SCOPED_TRACE(testing::Message() << std::hex << known.bits);
  const auto found = difference<std::uint16_t>(dtype, {known.bits}, {0});
  EXPECT_EQ(found.largest, std::abs(known.value));
  // The sign shows against a number on the other side.
  const std::uint16_t one = dtype == DType::f16 ? 0x3c00 : 0x3f80;
  if (std::isfinite(known.value)) {
    EXPECT_EQ(difference<std::uint16_t>(dtype, {known.bits}, {one}).largest, std::abs(known.value - 1.0));
  }
}

TEST(FloatValues, OfHalfPrecision) {
  for (const Known& known :
       {Known{0x0000, 0.0}, Known{0x8000, -0.0}, Known{0x3c00, 1.0}, Known{0xc000, -2.0}, Known{0x7bff, 65504.0},
        Known{0xfbff, -65504.0}, Known{0x0400, std::ldexp(1.0, -14)}, Known{0x03ff, std::ldexp(1023.0, -24)},
        Known{0x0001, std::ldexp(1.0, -24)}, Known{0x8001, -std::ldexp(1.0, -24)}, Known{0x3555, 0.333251953125},
        Known{0x3c01, 1.0009765625}, Known{0x7c00, kInfinity}, Known{0xfc00, -kInfinity}}) {
    expect_value(DType::f16, known);
  }
}

TEST(FloatValues, OfBfloat16) {
  for (const Known& known :
       {Known{0x0000, 0.0}, Known{0x3f80, 1.0}, Known{0xc000, -2.0}, Known{0x4049, 3.140625},
        Known{0x7f7f, 3.3895313892515355e38}, Known{0x0080, std::ldexp(1.0, -126)},
        Known{0x0001, std::ldexp(1.0, -133)}, Known{0x7f80, kInfinity}, Known{0xff80, -kInfinity}}) {
    expect_value(DType::bf16, known);
  }
}

TEST(FloatValues, OfSingleAndDoublePrecision) {
  const auto single = difference<std::uint32_t>(DType::f32, {0x3fc00000}, {0xbf800000});
  EXPECT_EQ(single.largest, 2.5);
  const auto twice = difference<std::uint64_t>(DType::f64, {std::bit_cast<std::uint64_t>(1e300)}, {0});
  EXPECT_EQ(twice.largest, 1e300);
}

TEST(FloatValues, OfNoOtherType) {
  for (int number = 0; number < 32; ++number) {
    const auto dtype = static_cast<DType>(number);
    const bool expected = dtype == DType::f64 || dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
    EXPECT_EQ(has_float_values(dtype), expected) << number;
  }
}

TEST(FloatDifference, SumsAndKeepsTheLargestOverCalls) {
  FloatDifference out;
  out.add(DType::bf16, elements<std::uint16_t>({0x3f80, 0x4000}), elements<std::uint16_t>({0x3f80, 0x3f80}));
  out.add(DType::bf16, elements<std::uint16_t>({0x4080}), elements<std::uint16_t>({0xbf80}));
  EXPECT_EQ(out.largest, 5.0);
  EXPECT_EQ(out.sum, 6.0);
}

TEST(FloatDifference, EqualInfinitiesAndTwoNansAreNoDifference) {
  const auto out =
      difference<std::uint16_t>(DType::f16, {0x7c00, 0xfc00, 0x7e00, 0x8000}, {0x7c00, 0xfc00, 0xfe01, 0x0000});
  EXPECT_EQ(out.largest, 0.0);
  EXPECT_EQ(out.sum, 0.0);
}

TEST(FloatDifference, OtherwiseWhatIsNotFiniteIsInfinitelyFar) {
  EXPECT_EQ(difference<std::uint16_t>(DType::f16, {0x7c00}, {0xfc00}).largest, kInfinity);
  EXPECT_EQ(difference<std::uint16_t>(DType::f16, {0x7e00}, {0x3c00}).largest, kInfinity);
  EXPECT_EQ(difference<std::uint16_t>(DType::bf16, {0x3f80}, {0x7f80}).largest, kInfinity);
}

TEST(FloatDifference, OfNothingIsNone) {
  FloatDifference out;
  out.add(DType::f32, {}, {});
  EXPECT_EQ(out.largest, 0.0);
  EXPECT_EQ(out.sum, 0.0);
}

}  // namespace
}  // namespace cairn
