// SPDX-License-Identifier: Apache-2.0
//
// What is said of two tensors before anything is stored: how they differ, and what a delta would take.
#include <algorithm>

#include "engine/delta/comparison.h"
#include "tests/delta/deltas_fixture.h"

namespace cairn::testing {
namespace {

template <class T>
DeltaStatistics compare(DType dtype, const std::vector<T>& target, const std::vector<T>& base) {
  Comparison comparison(dtype);
  comparison.add(std::as_bytes(std::span(target)), std::as_bytes(std::span(base)));
  return comparison.finish();
}

TEST(Comparison, KnownDifferences) {
  const auto s = compare<float>(DType::f32, {1, 2, 0, -4}, {1, 0, 0, -1});
  EXPECT_EQ(s.elements, 4u);
  EXPECT_EQ(s.equal, 2u);
  EXPECT_EQ(s.changed(), 0.5);
  EXPECT_EQ(s.numbers->compared, 4u);
  EXPECT_EQ(s.numbers->max_difference, 3);
  EXPECT_EQ(s.numbers->mean_difference, 1.25);
  EXPECT_DOUBLE_EQ(s.numbers->l2, std::sqrt(13.0));
  EXPECT_DOUBLE_EQ(s.numbers->cosine, 5 / std::sqrt(21.0 * 2.0));
  EXPECT_EQ(s.numbers->zeros, 0.25);
  const auto same = compare<float>(DType::f32, {0, 0}, {0, 0});
  EXPECT_EQ(same.numbers->cosine, 1);
  EXPECT_EQ(same.changed(), 0);
}

TEST(Comparison, WhatIsNoNumberIsLeftOutAndExtremesAreCounted) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const auto s = compare<float>(DType::f32, {nan, inf, 1, nan}, {nan, 1, nan, 2});
  EXPECT_EQ(s.equal, 1u);
  EXPECT_EQ(s.numbers->compared, 0u);
  EXPECT_EQ(s.numbers->mean_difference, 0);
  const auto far = compare<std::int64_t>(DType::i64, {INT64_MIN, 5}, {INT64_MAX, 5});
  EXPECT_EQ(far.numbers->max_difference, 0x1p64);
  const auto doubles = compare<double>(DType::f64, {1.7e308, 1e300}, {-1.7e308, 1e300});
  EXPECT_EQ(doubles.numbers->max_difference, std::numeric_limits<double>::max());
  EXPECT_LT(doubles.numbers->cosine, -0.9);
  // Complex elements are equal as a whole, and numbers in both parts.
  const auto complex = compare<float>(DType::complex64, {1, 2, 3, 4}, {1, 2, 3, 5});
  EXPECT_EQ(complex.elements, 2u);
  EXPECT_EQ(complex.equal, 1u);
  EXPECT_EQ(complex.numbers->compared, 4u);
  const auto packed = compare<std::uint8_t>(DType::i4, {1, 2}, {1, 3});
  EXPECT_EQ(packed.equal, 1u);
  EXPECT_FALSE(packed.numbers.has_value());
}

TEST_F(DeltasTest, TensorsAreComparedWhereverTheyAre) {
  const std::string base = put(weights(pair_.base));
  const auto stored = store_.deltas().compare(weights(pair_.target), base);
  ASSERT_TRUE(stored.ok()) << stored.error().message;
  const auto given = store_.deltas().compare(weights(pair_.target), weights(pair_.base)).value();
  EXPECT_EQ(stored->equal, given.equal);
  EXPECT_EQ(stored->elements, 150'000u);
  EXPECT_NEAR(stored->changed(), 1.0 / 3, 0.05);
  EXPECT_EQ(stored->numbers->l2, given.numbers->l2);
  EXPECT_GT(stored->numbers->cosine, 0.99);
  EXPECT_FALSE(store_.deltas().compare(weights(pair_.target), weights(Content(10))).ok());
  EXPECT_EQ(store_.deltas().compare(weights(pair_.target), "blake3:" + std::string(64, '0')).error().code,
            ErrorCode::not_found);
}

TEST_F(DeltasTest, WhatIsRecommendedIsWhatIsSmallest) {
  const std::string base = put(weights(pair_.base));
  const auto lossless = store_.deltas().recommend(weights(pair_.target), base);
  ASSERT_TRUE(lossless.ok()) << lossless.error().message;
  EXPECT_EQ(lossless->kind, DeltaKind::ulp_grouped) << lossless->reason;
  EXPECT_EQ(lossless->candidates.size(), 5u) << "four lossless kinds, and whole";
  EXPECT_TRUE(std::ranges::is_sorted(lossless->candidates, {}, &DeltaRecommendation::Candidate::bytes));
  for (const auto& candidate : lossless->candidates) {
    const auto delta =
        store_.deltas().store(weights(pair_.target), base, {.kind = candidate.kind, .maximum_ratio = 10}).value().delta;
    EXPECT_NEAR(static_cast<double>(candidate.bytes), static_cast<double>(delta.stored_bytes),
                0.1 * delta.stored_bytes + 600)
        << delta_kind_name(candidate.kind);
  }
  const auto lossy = store_.deltas().recommend(weights(pair_.target), base, {.max_error = 1.0});
  EXPECT_EQ(lossy->candidates.size(), 9u);
  EXPECT_FALSE(is_lossless(lossy->kind)) << lossy->reason;
  const auto tiny = store_.deltas().recommend(weights(pair_.target), base, {.minimum_bytes = 1'000'000});
  EXPECT_EQ(tiny->kind, DeltaKind::whole);
  EXPECT_NE(tiny->reason.find("minimum_bytes"), std::string::npos) << tiny->reason;
  const Pair unrelated = pairs(DType::bf16, 300'000, 15)[3];
  const auto none = store_.deltas().recommend(weights(unrelated.target), base);
  EXPECT_EQ(none->kind, DeltaKind::whole) << none->reason;
  const auto strict = store_.deltas().recommend(weights(pair_.target), base, {.maximum_ratio = 0.01});
  EXPECT_EQ(strict->kind, DeltaKind::whole);
  EXPECT_NE(strict->reason.find("0.01"), std::string::npos) << strict->reason;
  const auto empty = store_.deltas().recommend(weights({}), weights({}), {.minimum_bytes = 0});
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(store_.deltas().recommend(weights(pair_.target), base, {.max_error = -1.0}).error().code,
            ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace cairn::testing
