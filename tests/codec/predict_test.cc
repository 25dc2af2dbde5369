// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/predict.h"

#include <gtest/gtest.h>

#include <cfenv>

#include "engine/codec/delta.h"
#include "tests/codec/content.h"

#if CAIRN_X86_SIMD
#include <immintrin.h>
#endif

namespace cairn {
namespace {

using Floats = std::vector<float>;

struct AdamOptions {
  double b1 = 0.9, b2 = 0.999, rate = 1e-3, decay = 0.01, epsilon = 1e-8;
};

// The state of a training run before and after its last step.
struct AdamStep {
  Floats w0, m0, v0, w1, m1, v1;
};

AdamStep trained(std::size_t count, int steps, const AdamOptions& options, std::uint64_t seed = 1) {
  Random random{seed};
  AdamStep at;
  at.w1.resize(count), at.m1.resize(count), at.v1.resize(count);
  Floats scale(count);
  for (std::size_t i = 0; i < count; ++i) {
    at.w1[i] = static_cast<float>(0.02 * random.normal());
    scale[i] = static_cast<float>(1e-4 * std::exp(random.normal()));
  }
  // As PyTorch does: what is left of one is computed before it is rounded.
  const auto b2 = static_cast<float>(options.b2);
  const auto rest1 = static_cast<float>(1 - options.b1), rest2 = static_cast<float>(1 - options.b2);
  for (int t = 1; t <= steps; ++t) {
    if (t == steps) at.w0 = at.w1, at.m0 = at.m1, at.v0 = at.v1;
    const auto step = static_cast<float>(options.rate / (1 - std::pow(options.b1, t)));
    const auto root = static_cast<float>(std::sqrt(1 - std::pow(options.b2, t)));
    for (std::size_t i = 0; i < count; ++i) {
      const float g = scale[i] * static_cast<float>(random.normal());
      at.w1[i] *= static_cast<float>(1 - options.rate * options.decay);
      at.m1[i] += rest1 * (g - at.m1[i]);
      at.v1[i] = at.v1[i] * b2 + rest2 * g * g;
      at.w1[i] -= step * at.m1[i] / (std::sqrt(at.v1[i]) / root + static_cast<float>(options.epsilon));
    }
  }
  return at;
}

Bytes bytes_of(const Floats& floats) { return std::as_bytes(std::span(floats)); }
using Bases = std::array<Bytes, kPredictorBases>;

double bits_per_element(const Floats& target, std::span<const Bytes> bases) {
  DeltaEncoder encoder;
  DeltaDecoder decoder;
  const Bytes scalar = encoder.encode(bytes_of(target), bases, DType::f32, SimdLevel::scalar);
  const Content payload(scalar.begin(), scalar.end());
  if (payload.empty()) return 32;
  for (const SimdLevel level : simd_levels()) {
    const Bytes again = encoder.encode(bytes_of(target), bases, DType::f32, level);
    EXPECT_TRUE(std::equal(again.begin(), again.end(), payload.begin(), payload.end()));
    Content into(4 * target.size());
    EXPECT_EQ(decoder.decode(payload, bases, into, level), nullptr);
    EXPECT_TRUE(std::equal(into.begin(), into.end(), bytes_of(target).begin()));
  }
  return 8.0 * static_cast<double>(payload.size()) / static_cast<double>(target.size());
}

TEST(Predict, OneStepOfAdamIsAllButKnownFromTheMoments) {
  const AdamOptions kinds[] = {
      {}, {.decay = 0}, {.b1 = 0.95, .b2 = 0.98, .rate = 3e-4}, {.rate = 1e-4, .decay = 0.1, .epsilon = 1e-6}};
  for (const AdamOptions& options : kinds) {
    for (const int steps : {3, 80}) {
      const AdamStep at = trained(1 << 15, steps, options);
      EXPECT_LT(bits_per_element(at.v1, Bases{bytes_of(at.v0), bytes_of(at.m0), bytes_of(at.m1)}), 2.0);
      EXPECT_LT(bits_per_element(at.w1, Bases{bytes_of(at.w0), bytes_of(at.m1), bytes_of(at.v1)}), 1.2);
      if (steps == 3) continue;
      // Backwards; in the first steps most of v' is what is taken off again.
      EXPECT_LT(bits_per_element(at.v0, Bases{bytes_of(at.v1), bytes_of(at.m0), bytes_of(at.m1)}), 3.5);
      EXPECT_LT(bits_per_element(at.w0, Bases{bytes_of(at.w1), bytes_of(at.m1), bytes_of(at.v1)}), 1.5);
    }
  }
}

TEST(Predict, WhatDoesNotFollowIsNotPredicted) {
  const AdamStep at = trained(1 << 14, 50, {});
  EXPECT_FALSE(fit_prediction(bytes_of(at.w1), Bases{bytes_of(at.w0), bytes_of(at.v1), bytes_of(at.m1)}));
  EXPECT_FALSE(fit_prediction(bytes_of(at.m1), Bases{bytes_of(at.m0), bytes_of(at.v0), bytes_of(at.v1)}));
  const Floats same(1 << 14, 1.0F);
  EXPECT_FALSE(fit_prediction(bytes_of(same), Bases{bytes_of(same), bytes_of(same), bytes_of(same)}));
  EXPECT_FALSE(fit_prediction({}, Bases{}));
}

// Roots of negative variances and sums of infinities: what is predicted then is the first base.
TEST(Predict, ComputedNaNsDecideNothing) {
  AdamStep at = trained(1 << 12, 20, {});
  for (std::size_t i = 0; i < at.v1.size(); i += 3) at.v1[i] = i % 2 == 0 ? -1.0F : 3e38F, at.m1[i] = 3e38F;
  const Bases bases{bytes_of(at.w0), bytes_of(at.m1), bytes_of(at.v1)};
  const auto prediction = fit_prediction(bytes_of(at.w1), bases);
  if (!prediction) return;
  Content said(4 * at.w0.size());
  predict(*prediction, bases, said.data(), simd_level());
  for (std::size_t i = 0; i < at.w0.size(); ++i) {
    float next;
    std::memcpy(&next, said.data() + 4 * i, 4);
    ASSERT_EQ(next, next) << i;
  }
}

// Infinities, NaNs and denormals as elements and as parameters: every processor predicts the same.
TEST(Predict, SpecialValuesAreThePredictionOfEveryLevel) {
  Content a = special_values(40'000), b(a), c(a);
  std::rotate(b.begin(), b.begin() + 4004, b.end());
  std::rotate(c.begin(), c.begin() + 12'348, c.end());
  const float numbers[] = {
      0.0F, 0.9F, 1.0F, -2.0F, 1e38F, 1e-42F, std::bit_cast<float>(0x7f800000U), std::bit_cast<float>(0x7fc00001U)};
  Content first(a.size()), other(a.size());
  for (const Predictor predictor : {Predictor::adam_variance, Predictor::adam_weight}) {
    for (const float p : numbers) {
      for (const float q : numbers) {
        const Prediction prediction{predictor, {p, q, p}};
        predict(prediction, Bases{a, b, c}, first.data(), SimdLevel::scalar);
        for (const SimdLevel level : simd_levels()) {
          predict(prediction, Bases{a, b, c}, other.data(), level);
          ASSERT_EQ(other, first);
        }
      }
    }
  }
}

// Payloads name a predictor; what a training process does to its threads must not change what it says.
TEST(Predict, RoundingAndFlushingOfTheThreadDoNotMatter) {
  const AdamStep at = trained(1 << 14, 20, {});
  const Bases bases{bytes_of(at.w0), bytes_of(at.m1), bytes_of(at.v1)};
  const auto prediction = fit_prediction(bytes_of(at.w1), bases);
  ASSERT_TRUE(prediction);
  const Prediction denormal{Predictor::adam_weight, {1e-39F, 0, 0}};
  Content expected(1 << 16), expected_denormal(1 << 16), said(1 << 16);
  predict(*prediction, bases, expected.data(), simd_level());
  predict(denormal, bases, expected_denormal.data(), simd_level());
  const auto expect_same = [&] {
    for (const SimdLevel level : simd_levels()) {
      predict(*prediction, bases, said.data(), level);
      EXPECT_EQ(said, expected);
      predict(denormal, bases, said.data(), level);
      EXPECT_EQ(said, expected_denormal);
    }
    const auto again = fit_prediction(bytes_of(at.w1), bases);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->parameters, prediction->parameters);
  };
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    expect_same();
    EXPECT_EQ(std::fegetround(), mode);
  }
  std::fesetround(FE_TONEAREST);
#if CAIRN_X86_SIMD
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040);  // flush to zero, denormals are zero
  expect_same();
  EXPECT_EQ(_mm_getcsr() & 0x8040, 0x8040U);
  _mm_setcsr(before);
#endif
}

}  // namespace
}  // namespace cairn
