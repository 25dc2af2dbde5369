// SPDX-License-Identifier: Apache-2.0
//
// Rows of metrics as training makes them, the same on every machine, and what it means that two are equal.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/results/metric_rows.h"
#include "gtest/gtest.h"

namespace cairn {

inline constexpr std::int64_t kSampleTimeNs = 1'700'000'000'123'456'789;

// Bits that look random (SplitMix64).
class SampleBits {
 public:
  explicit SampleBits(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  // Nearly normal: the sum of twelve.
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }

 private:
  std::uint64_t state_;
};

// `steps` rows of `series` float32 values each: losses that fall, under noise of one in a hundred; a step takes a tenth
// of a second, give or take a hundredth of that, by a clock that is read to the microsecond.
inline MetricRows training_rows(std::size_t steps, std::size_t series, std::uint64_t seed = 1) {
  SampleBits random(seed);
  MetricRows rows;
  std::int64_t time_us = kSampleTimeNs / 1000;
  for (std::size_t step = 0; step < steps; ++step) {
    time_us += 100'000 + static_cast<std::int64_t>(1000 * random.normal());
    rows.begin_row(static_cast<std::int64_t>(step), time_us * 1000);
    for (std::size_t s = 0; s < series; ++s) {
      const double level = (1 + static_cast<double>(s)) * (0.5 + 2 / std::sqrt(1 + static_cast<double>(step) / 100));
      const auto value = static_cast<float>(level * (1 + 0.01 * random.normal()));
      rows.add_real(rows.column("series_" + std::to_string(s), MetricKind::real), value);
    }
  }
  return rows;
}

inline void expect_equal_rows(const MetricRows& left, const MetricRows& right) {
  EXPECT_EQ(left.steps(), right.steps());
  EXPECT_EQ(left.times_ns(), right.times_ns());
  EXPECT_EQ(left.points(), right.points());
  ASSERT_EQ(left.columns().size(), right.columns().size());
  for (std::size_t i = 0; i < left.columns().size(); ++i) {
    const MetricColumn &a = left.columns()[i], &b = right.columns()[i];
    SCOPED_TRACE(a.name);
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.rows, b.rows);
    EXPECT_EQ(a.integers, b.integers);
    EXPECT_EQ(a.texts, b.texts);
    EXPECT_EQ(a.dictionary, b.dictionary);
    ASSERT_EQ(a.reals.size(), b.reals.size());
    for (std::size_t k = 0; k < a.reals.size(); ++k) {
      if (std::isnan(a.reals[k]) && std::isnan(b.reals[k])) continue;
      EXPECT_EQ(std::bit_cast<std::uint64_t>(a.reals[k]), std::bit_cast<std::uint64_t>(b.reals[k])) << k;
    }
  }
}

}  // namespace cairn
