// SPDX-License-Identifier: Apache-2.0
//
// Lossless means bit for bit: every kind, every element type that it accepts, every bit pattern, every shape.
#include "tests/delta/delta_content.h"

namespace cairn::testing {
namespace {

const std::vector<std::vector<std::uint64_t>> kShapes{{}, {0}, {1}, {3, 5, 7}, {3, 0, 7}, {4099}, {16, 2048}};

TEST(LosslessKinds, EveryElementTypeComesBackBitForBit) {
  std::size_t cases = 0;
  for (const DeltaKind kind : kLossless) {
    for (const DType dtype : all_dtypes()) {
      for (const auto& shape : kShapes) {
        const DeltaPlan plan{.kind = kind, .dtype = dtype, .shape = shape, .bytes = bytes_of(dtype, shape)};
        if (unsuited(kind, dtype) != nullptr) continue;
        ASSERT_TRUE(check_plan(plan).ok());
        for (const Pair& pair : pairs(dtype, plan.bytes, 1)) {
          SCOPED_TRACE(std::string(delta_kind_name(kind)) + ", " + std::string(dtype_name(dtype)) + ", " + pair.name);
          const Coded coded = encode(plan, {}, pair.target, pair.base);
          EXPECT_EQ(coded.largest_error, 0);
          const auto back = decode(coded, pair.base);
          ASSERT_TRUE(back.ok()) << back.error().message;
          ASSERT_EQ(*back, pair.target);
          ++cases;
        }
      }
    }
  }
  EXPECT_GT(cases, 2000u);
}

TEST(LosslessKinds, ATensorOfSeveralPiecesComesBack) {
  for (const DeltaKind kind : kLossless) {
    for (const DType dtype : {DType::bf16, DType::f32, DType::complex128}) {
      const std::vector<std::uint64_t> shape{1, 9, 40'001};
      const DeltaPlan plan{.kind = kind, .dtype = dtype, .shape = shape, .bytes = bytes_of(dtype, shape)};
      for (const Pair& pair : pairs(dtype, plan.bytes, 2)) {
        const auto back = decode(encode(plan, {}, pair.target, pair.base), pair.base);
        ASSERT_TRUE(back.ok()) << back.error().message;
        ASSERT_EQ(*back, pair.target) << pair.name;
      }
    }
  }
}

TEST(LosslessKinds, AKindThatDoesNotSuitTheElementsIsRefused) {
  const auto refused = [](DeltaKind kind, DType dtype) {
    const DeltaPlan plan{.kind = kind, .dtype = dtype, .shape = {8}, .bytes = bytes_of(dtype, {8})};
    const Status status = check_plan(plan);
    if (status.ok()) return false;
    EXPECT_EQ(status.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(status.error().message.find(dtype_name(dtype)), std::string::npos) << status.error().message;
    return true;
  };
  for (const DType dtype : all_dtypes()) {
    const bool is_float = element_type(dtype).floating(), is_integer = element_type(dtype).integer();
    const bool packed = dtype_bits(dtype) % 8 != 0 || dtype == DType::ggml;
    EXPECT_FALSE(refused(DeltaKind::xor_split, dtype));
    EXPECT_EQ(refused(DeltaKind::raw_difference, dtype), packed) << dtype_name(dtype);
    EXPECT_EQ(refused(DeltaKind::exponent_mantissa, dtype), !is_float) << dtype_name(dtype);
    EXPECT_EQ(refused(DeltaKind::ulp_grouped, dtype), !is_float && !is_integer && dtype != DType::f8_e8m0);
    const bool complex = dtype == DType::complex32 || dtype == DType::complex64 || dtype == DType::complex128;
    for (const DeltaKind kind : kLossy) EXPECT_EQ(refused(kind, dtype), complex || (!is_float && !is_integer));
  }
}

TEST(LosslessKinds, ShapesThatTheBytesDoNotHaveAreRefused) {
  DeltaPlan plan{.kind = DeltaKind::xor_split, .dtype = DType::f32, .shape = {3, 5}, .bytes = 60};
  EXPECT_TRUE(check_plan(plan).ok());
  plan.bytes = 61;
  EXPECT_FALSE(check_plan(plan).ok());
  plan.shape = {std::uint64_t{1} << 40, std::uint64_t{1} << 40};
  EXPECT_FALSE(check_plan(plan).ok());
  plan = {.kind = DeltaKind::axis_scaled, .dtype = DType::f32, .shape = {3, 5}, .bytes = 60, .axis = 2};
  EXPECT_FALSE(check_plan(plan).ok());
}

// What the kinds are for: a small change of many weights takes less than half in those that know floats.
TEST(LosslessKinds, NeighboursTakeLittle) {
  const DeltaPlan plan{.kind = DeltaKind::ulp_grouped, .dtype = DType::bf16, .shape = {500'000}, .bytes = 1'000'000};
  const Pair pair = pairs(DType::bf16, plan.bytes, 3).front();
  EXPECT_LT(encode(plan, {}, pair.target, pair.base).streams[0].size(), plan.bytes / 4);
}

}  // namespace
}  // namespace cairn::testing
