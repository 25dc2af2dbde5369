// SPDX-License-Identifier: Apache-2.0
//
// Metrics as a program uses them, through the public header.
#include "cairn/metrics.h"

#include "engine/base/errors.h"
#include "tests/results/hooked_entry_store.h"
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

// What a row says, for comparing.
std::string text_of(const MetricRow& row) {
  std::string text = std::to_string(row.step);
  for (const NamedMetric& one : row.values) {
    text += " " + std::string(one.name) + "=";
    if (one.value.kind() == MetricValue::Kind::text) text += one.value.text();
    if (one.value.kind() == MetricValue::Kind::integer) text += std::to_string(one.value.integer());
    if (one.value.kind() == MetricValue::Kind::real) text += std::to_string(static_cast<int>(one.value.real()));
  }
  return text;
}

TEST(MetricsTest, WhoFollowsARunIsGivenEveryRowOnceAlsoWhenBlocksAreJoinedBetween) {
  GatedEntryStore store;
  MetricLog log(store);
  Metrics metrics(store, &log);
  auto run = metrics.run("sft");
  ASSERT_TRUE(run.ok());
  std::vector<std::string> logged, seen;
  MetricCursor cursor;
  const auto visit = [&](const MetricRow& row) {
    seen.push_back(text_of(row));
    return Status();
  };
  for (int step = 0; step < 200; ++step) {
    // Every kind, and series that are not in every row.
    if (step % 3 == 0) {
      ASSERT_TRUE(run->log(step, {{"x", 0.5 + step}, {"phase", "a"}}).ok());
      logged.push_back(std::to_string(step) + " x=" + std::to_string(step) + " phase=a");
    } else {
      ASSERT_TRUE(run->log(step, {{"n", step}}).ok());
      logged.push_back(std::to_string(step) + " n=" + std::to_string(step));
    }
    // A block for each few rows, so that some are joined while others are passed.
    if (step % 4 != 3) continue;
    ASSERT_TRUE(metrics.flush().ok());
    if (step % 12 == 3) {
      ASSERT_TRUE(metrics.rows("sft", cursor, visit).ok());
    }
  }
  EXPECT_GT(metrics.stats().joined, 0u);
  ASSERT_TRUE(metrics.rows("sft", cursor, visit).ok());
  EXPECT_EQ(cursor.passed(), 200u);
  EXPECT_EQ(seen, logged);
  // Whoever knows only how many there were goes on from there.
  seen.clear();
  MetricCursor told(197);
  ASSERT_TRUE(metrics.rows("sft", told, visit).ok());
  EXPECT_EQ(seen, std::vector<std::string>(logged.begin() + 197, logged.end()));
  MetricCursor none;
  EXPECT_EQ(metrics.rows("none", none, visit).error().code, ErrorCode::not_found);
}

TEST(MetricsTest, FollowingARunReadsOnlyWhatIsNew) {
  GatedEntryStore store;
  MetricLog log(store);
  Metrics metrics(store, &log);
  auto run = metrics.run("sft");
  ASSERT_TRUE(run.ok());
  MetricCursor cursor;
  std::uint64_t rows = 0;
  const auto visit = [&](const MetricRow& row) {
    EXPECT_EQ(row.step, static_cast<std::int64_t>(rows++));
    return Status();
  };
  for (int step = 0; step < 7'000; ++step) {
    ASSERT_TRUE(run->log(step, {{"x", step}}).ok());
    if (step % 100 != 99) continue;
    ASSERT_TRUE(metrics.flush().ok());
    const std::uint64_t before = store.scanned;
    ASSERT_TRUE(metrics.rows("sft", cursor, visit).ok());
    // The last block that was seen, which may be part of another now, the one behind it, and the look for the first.
    EXPECT_LE(store.scanned - before, 3u) << step;
  }
  EXPECT_EQ(rows, 7'000u);
}

TEST(MetricsTest, AFollowersErrorEndsTheWalkBehindTheRowsThatItTook) {
  GatedEntryStore store;
  MetricLog log(store);
  Metrics metrics(store, &log);
  auto run = metrics.run("sft");
  ASSERT_TRUE(run.ok());
  for (int step = 0; step < 20; ++step) ASSERT_TRUE(run->log(step, {{"x", step}}).ok());
  MetricCursor cursor;
  std::vector<std::int64_t> seen;
  // Of a kind that reading is tried again for.
  Error enough = make_error(ErrorCode::conflict, "enough");
  const auto visit = [&](const MetricRow& row) -> Status {
    if (seen.size() == 7) return enough;
    seen.push_back(row.step);
    return {};
  };
  EXPECT_EQ(metrics.rows("sft", cursor, visit).error().message, "enough");
  EXPECT_EQ(cursor.passed(), 7u);
  const auto rest = [&](const MetricRow& row) {
    seen.push_back(row.step);
    return Status();
  };
  ASSERT_TRUE(metrics.rows("sft", cursor, rest).ok());
  ASSERT_EQ(seen.size(), 20u);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], static_cast<std::int64_t>(i));
}

TEST(MetricsTest, ARunThatIsRemovedIsGoneWithItsRowsAndMayBeginAnew) {
  GatedEntryStore store;
  {
    MetricLog log(store);
    Metrics metrics(store, &log);
    for (const char* const name : {"a", "aa", "b"}) {
      auto run = metrics.run(name);
      ASSERT_TRUE(run.ok());
      for (int step = 0; step < 10; ++step) ASSERT_TRUE(run->log(step, {{"x", step}}).ok());
    }
    ASSERT_TRUE(metrics.flush().ok());
    EXPECT_EQ(metrics.remove("a").error().code, ErrorCode::conflict) << "it is being recorded";
  }
  MetricLog log(store);
  Metrics metrics(store, &log);
  MetricCursor cursor;
  std::vector<std::int64_t> steps;
  const auto visit = [&](const MetricRow& row) {
    steps.push_back(row.step);
    return Status();
  };
  ASSERT_TRUE(metrics.rows("a", cursor, visit).ok());
  EXPECT_EQ(metrics.remove("none").error().code, ErrorCode::not_found);
  EXPECT_EQ(metrics.remove("a").value(), 10u);
  EXPECT_EQ(metrics.remove("a").error().code, ErrorCode::not_found);
  EXPECT_EQ(metrics.runs().value(), (std::vector<std::string>{"aa", "b"}));
  EXPECT_EQ(metrics.query("aa", "x").value().points.size(), 10u);
  EXPECT_EQ(metrics.rows("a", cursor, visit).error().code, ErrorCode::not_found);
  auto run = metrics.run("a");
  ASSERT_TRUE(run.ok());
  ASSERT_TRUE(run->log(100, {{"x", 1}}).ok());
  steps.clear();
  ASSERT_TRUE(metrics.rows("a", cursor, visit).ok());
  EXPECT_EQ(steps, std::vector<std::int64_t>{100}) << "whoever followed the run before begins anew";
  EXPECT_EQ(metrics.query("a", "x").value().points.size(), 1u);
}

TEST(MetricsTest, ALongRunThatCouldNotBeRemovedAtOnceHasItsFirstRows) {
  MemoryEntryStore behind;
  HookedEntryStore store(behind);
  constexpr std::uint64_t kBlocks = 5'000;
  for (std::uint64_t i = 0; i < kBlocks; ++i) {
    MetricRows rows;
    rows.begin_row(static_cast<std::int64_t>(i), 0);
    rows.add_integer(rows.column("x", MetricKind::integer), 1);
    EntryChange change{.key = metric_block_key("run", i)};
    change.value.assign(as_text(encode_metric_block(rows).value()));
    if (i == 0) change.index_keys.push_back(metric_run_prefix("run"));
    ASSERT_TRUE(behind.write({std::move(change)}, {}).ok());
  }
  MetricLog log(store);
  Metrics metrics(store, &log);
  int writes = 0;
  store.before_write = [&](const std::vector<EntryChange>&) {
    return ++writes == 2 ? std::optional(make_error(ErrorCode::io, "the disk is gone")) : std::nullopt;
  };
  EXPECT_EQ(metrics.remove("run").error().code, ErrorCode::io);
  const auto left = metrics.query("run", "x").value().points;
  ASSERT_EQ(left.size(), kBlocks - 4096);
  for (std::size_t i = 0; i < left.size(); ++i) ASSERT_EQ(left[i].step, static_cast<std::int64_t>(i));
  EXPECT_EQ(metrics.remove("run").value(), left.size());
  EXPECT_TRUE(metrics.runs().value().empty());
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
