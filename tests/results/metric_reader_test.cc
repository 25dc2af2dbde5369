// SPDX-License-Identifier: Apache-2.0
//
// Queries give what was logged before them, whatever blocks it is in.
#include "engine/results/metric_reader.h"

#include <limits>
#include <thread>

#include "tests/results/metric_fixture.h"

namespace cairn {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

class MetricReaderTest : public testing::Test {
 protected:
  void push(const std::string& run, const std::string& series, std::int64_t step, MetricValue value) {
    const std::vector<NamedMetric> row = {{series, value}};
    ASSERT_TRUE(log_.log(log_.run(run).value(), step, row, step * 1000).ok());
  }
  std::vector<double> values(const std::string& run, const std::string& series, const MetricRange& range = {}) {
    const auto curve = reader_.query(run, series, range);
    EXPECT_TRUE(curve.ok()) << curve.error().message;
    std::vector<double> found;
    for (const MetricPoint& point : curve->points) found.push_back(point.value);
    return found;
  }

  GatedEntryStore store_;
  MetricLog log_{store_, {.flush_rows = 1'000'000, .flush_interval = std::chrono::hours(1)}};
  MetricReader reader_{store_, &log_};
};

TEST_F(MetricReaderTest, AQuerySeesWhatWasLoggedJustBefore) {
  push("run", "loss", 1, 0.5);
  EXPECT_EQ(values("run", "loss"), std::vector<double>{0.5});
  push("run", "loss", 2, 0.25);
  EXPECT_EQ(values("run", "loss"), (std::vector<double>{0.5, 0.25}));
}

TEST_F(MetricReaderTest, ARangeIncludesBothEndsAndCrossesBlocks) {
  for (int i = 0; i < 1000; ++i) {
    push("run", "loss", i, i);
    if (i % 50 == 49) {
      ASSERT_TRUE(log_.flush().ok());
    }
  }
  const auto curve = reader_.query("run", "loss", {.first_step = 123, .last_step = 777});
  ASSERT_TRUE(curve.ok());
  ASSERT_EQ(curve->points.size(), 655u);
  for (std::size_t i = 0; i < curve->points.size(); ++i) {
    const auto step = static_cast<std::int64_t>(i) + 123;
    EXPECT_EQ(curve->points[i], (MetricPoint{step, step * 1000, static_cast<double>(step)}));
  }
  EXPECT_TRUE(values("run", "loss", {.first_step = 1000}).empty());
}

TEST_F(MetricReaderTest, StepsThatGoBackAreInOrderAndOfOneStepAsLogged) {
  for (const int step : {5, 6, 7, 6, 7, 8})
    push("run", "loss", step, 10.0 * step + static_cast<double>(log_.stats().pushed));
  EXPECT_EQ(values("run", "loss"), (std::vector<double>{50, 61, 63, 72, 74, 85}));
  const auto last = reader_.last("run", "loss");
  ASSERT_TRUE(last.ok() && *last);
  EXPECT_EQ((*last)->value, 85);
}

TEST_F(MetricReaderTest, IntegersAndRealsOfOneSeriesAreOneCurve) {
  push("run", "x", 1, 1);
  push("run", "x", 2, 2.5);
  push("run", "x", 3, 3);
  push("run", "x", 4, "four");
  EXPECT_EQ(values("run", "x"), (std::vector<double>{1, 2.5, 3}));
  const auto summary = reader_.summary("run", "x");
  ASSERT_TRUE(summary.ok() && *summary);
  EXPECT_EQ((*summary)->count, 3u);
  EXPECT_EQ((*summary)->min, 1);
  EXPECT_EQ((*summary)->max, 3);
  EXPECT_EQ((*summary)->last, 3);
  EXPECT_EQ(reader_.last("run", "x").value()->value, 3);
}

TEST_F(MetricReaderTest, SummariesAreThoseOfAllBlocks) {
  for (int i = 0; i < 30; ++i) {
    push("run", "a", i, i == 7 ? kNan : 10.0 - i);
    push("run", "nothing", i, kNan);
    push("run", "text", i, "t");
    if (i % 10 == 9) {
      ASSERT_TRUE(log_.flush().ok());
    }
  }
  const auto all = reader_.series("run");
  ASSERT_TRUE(all.ok()) << all.error().message;
  ASSERT_EQ(all->size(), 3u);
  const MetricSummary& a = (*all)[0];
  EXPECT_EQ(a.series, "a");
  EXPECT_EQ(a.count, 30u);
  EXPECT_EQ(a.nans, 1u);
  EXPECT_EQ(a.min, -19);
  EXPECT_EQ(a.max, 10);
  EXPECT_EQ(a.last, -19);
  EXPECT_FALSE((*all)[1].min);
  EXPECT_EQ((*all)[1].nans, 30u);
  EXPECT_TRUE((*all)[2].is_text);
  EXPECT_EQ((*all)[2].count, 30u);
}

TEST_F(MetricReaderTest, SeveralRunsAndSeriesComeAtOnce) {
  for (const char* run : {"b", "a"}) {
    push(run, "x", 1, 1);
    push(run, "y", 1, 2);
  }
  push("b", "z", 1, 3);
  EXPECT_EQ(reader_.runs().value(), (std::vector<std::string>{"a", "b"}));
  const std::vector<std::string> runs = {"a", "b"}, series = {"x", "z"};
  const auto curves = reader_.query(runs, series);
  ASSERT_TRUE(curves.ok());
  ASSERT_EQ(curves->size(), 3u);
  EXPECT_EQ((*curves)[0].run + (*curves)[0].series, "ax");
  EXPECT_EQ((*curves)[2].run + (*curves)[2].series, "bz");
  EXPECT_EQ(reader_.query("c", "x").error().code, ErrorCode::not_found);
  EXPECT_TRUE(values("a", "z").empty());
}

TEST_F(MetricReaderTest, NoExtremeIsLostByDownsampling) {
  SampleBits random(3);
  std::vector<MetricPoint> points;
  for (std::int64_t step = -300; step < 9700; ++step) {
    const double value = step % 17 == 0 ? kNan : random.normal() * (step == 5000 ? 1e6 : 1);
    push("run", "x", step, value);
    points.push_back({step, step * 1000, value});
  }
  for (const std::size_t buckets : {1u, 2u, 7u, 100u, 9999u, 100000u}) {
    SCOPED_TRACE(buckets);
    const auto curve = reader_.downsample("run", "x", buckets);
    ASSERT_TRUE(curve.ok());
    ASSERT_LE(curve->buckets.size(), buckets);
    ASSERT_GE(curve->buckets.size(), std::min<std::size_t>(buckets, points.size()) / 2);
    std::size_t at = 0;
    for (const MetricBucket& bucket : curve->buckets) {
      double min = std::numeric_limits<double>::infinity(), max = -min;
      std::uint64_t nans = 0;
      EXPECT_EQ(bucket.first_step, points[at].step);
      for (std::uint64_t i = 0; i < bucket.count; ++i, ++at) {
        EXPECT_EQ(bucket.last_step >= points[at].step, true);
        if (std::isnan(points[at].value)) {
          ++nans;
        } else {
          min = std::min(min, points[at].value);
          max = std::max(max, points[at].value);
        }
      }
      EXPECT_EQ(bucket.nans, nans);
      if (nans == bucket.count) continue;
      EXPECT_EQ(bucket.min, min);
      EXPECT_EQ(bucket.max, max);
      EXPECT_GE(bucket.mean, min);
      EXPECT_LE(bucket.mean, max);
    }
    EXPECT_EQ(at, points.size());
  }
  EXPECT_EQ(reader_.downsample("run", "x", 0).error().code, ErrorCode::invalid_argument);
}

TEST_F(MetricReaderTest, StepsAtBothEndsOfTheirRangeAreParted) {
  std::vector<MetricPoint> points = {
      {std::numeric_limits<std::int64_t>::min(), 0, 1}, {0, 0, 2}, {std::numeric_limits<std::int64_t>::max(), 0, 3}};
  EXPECT_EQ(bucketed(points, 3).size(), 3u);
  EXPECT_EQ(bucketed(points, 1).size(), 1u);
}

TEST_F(MetricReaderTest, ADamagedBlockIsNamed) {
  push("run", "x", 1, 1);
  ASSERT_TRUE(log_.flush().ok());
  ASSERT_TRUE(store_.inner.write({{.key = metric_block_key("run", 7), .value = std::string("\x01\x07", 2)}}, {}).ok());
  const auto curve = reader_.query("run", "x");
  ASSERT_FALSE(curve.ok());
  EXPECT_EQ(curve.error().code, ErrorCode::corruption);
  EXPECT_NE(curve.error().message.find("run run, block 7: metric block: field 'tick'"), std::string::npos)
      << curve.error().message;
}

TEST_F(MetricReaderTest, WhileARunGoesOnAReaderSeesAPrefixOfIt) {
  MetricLog log(store_, {.flush_rows = 50});
  const MetricSeries series = log.series(log.run("live").value(), "x").value();
  ASSERT_TRUE(log.push(series, 0, 0));
  std::jthread pusher([&] {
    for (int i = 1; i < 20'000; ++i) EXPECT_TRUE(log.push(series, i, i));
  });
  MetricReader other(store_);
  for (std::size_t seen = 0; seen < 20'000;) {
    ASSERT_TRUE(log.flush().ok());
    const auto curve = other.query("live", "x");
    ASSERT_TRUE(curve.ok()) << curve.error().message;
    ASSERT_GE(curve->points.size(), seen);
    seen = curve->points.size();
    for (std::size_t i = 0; i < seen; ++i) ASSERT_EQ(curve->points[i].step, static_cast<std::int64_t>(i));
  }
}

TEST_F(MetricReaderTest, AReaderWithoutTheLogSeesWhatIsWritten) {
  push("run", "x", 1, 1);
  ASSERT_TRUE(log_.flush().ok());
  MetricReader other(store_);
  EXPECT_EQ(other.query("run", "x").value().points.size(), 1u);
}

}  // namespace
}  // namespace cairn
