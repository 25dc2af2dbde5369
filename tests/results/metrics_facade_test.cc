// SPDX-License-Identifier: Apache-2.0
//
// Metrics as a program uses them, through the public header.
#include "cairn/metrics.h"

#include "tests/results/metric_fixture.h"

namespace cairn {
namespace {

TEST(MetricsTest, AProgramLogsAndAsks) {
  GatedEntryStore store;
  MetricLog log(store);
  Metrics metrics(store, &log);
  auto run = metrics.run("sft");
  ASSERT_TRUE(run.ok());
  const MetricSeries lr = run->series("lr").value();
  for (int step = 0; step < 100; ++step) {
    ASSERT_TRUE(run->log(step, {{"loss", 1.0 / (1 + step)}, {"tokens", 512 * step}, {"phase", "warm-up"}}).ok());
    ASSERT_TRUE(run->push(lr, step, 1e-3));
  }
  ASSERT_TRUE(run->log_step(100, {.train_loss = 0.5}).ok());
  ASSERT_TRUE(run->log_epoch(1, {.val_loss = 0.25}).ok());
  EXPECT_EQ(metrics.runs().value(), std::vector<std::string>{"sft"});
  EXPECT_EQ(metrics.series("sft")->size(), 7u);
  EXPECT_EQ(metrics.query("sft", "loss", {.first_step = 90})->points.size(), 10u);
  EXPECT_EQ(metrics.query("sft", "lr")->points.back().value, 1e-3);
  EXPECT_EQ(metrics.last("sft", "tokens").value()->value, 512 * 99);
  EXPECT_EQ(metrics.last("sft", "epoch").value()->step, kEpochStep);
  EXPECT_EQ(metrics.downsample("sft", "loss", 10)->buckets.front().max, 1.0);
  EXPECT_EQ(metrics.stats().pushed, 402 + 1u);
}

TEST(MetricsTest, WhoReadsOnlyDoesNotLog) {
  GatedEntryStore store;
  {
    MetricLog log(store);
    ASSERT_TRUE(Metrics(store, &log).run("run")->log(1, {{"x", 1}}).ok());
  }
  Metrics metrics(store, nullptr);
  EXPECT_EQ(metrics.run("run").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(metrics.import_from({}, MetricFormat::csv, "run").error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(metrics.flush().ok());
  EXPECT_EQ(metrics.stats().pushed, 0u);
  EXPECT_EQ(metrics.query("run", "x")->points.size(), 1u);
  const std::vector<std::string> runs = {"run"};
  std::string text;
  const auto keep = [&](Bytes bytes) {
    text += as_text(bytes);
    return Status();
  };
  ASSERT_TRUE(metrics.export_to(runs, MetricFormat::csv, keep).ok());
  EXPECT_TRUE(text.starts_with("run,step,time_ns,x\r\nrun,1,"));
}

}  // namespace
}  // namespace cairn
