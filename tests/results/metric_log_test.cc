// SPDX-License-Identifier: Apache-2.0
//
// What is logged is in the table: in order, all of it when the log is closed, and without stopping who logs.
#include "engine/results/metric_log.h"

#include <latch>
#include <map>
#include <thread>

#include "tests/results/metric_fixture.h"

namespace cairn {
namespace {

constexpr std::size_t kSmallestRing = 4096;  // in values; smaller ones are raised to it

class MetricLogTest : public testing::Test {
 protected:
  // Rows are written when a test says so, unless it has other options.
  static MetricLogOptions lazy() {
    return {.flush_rows = 1'000'000, .flush_interval = std::chrono::hours(1), .ring_values = 1};
  }
  static MetricSeries series_of(MetricLog& log, const std::string& run, const std::string& name) {
    const auto series = log.series(log.run(run).value(), name);
    EXPECT_TRUE(series.ok());
    return *series;
  }
  GatedEntryStore store_;
};

TEST_F(MetricLogTest, EveryKindOfValueIsWrittenAtFlush) {
  MetricLog log(store_, lazy());
  const auto run = log.run("run").value();
  const std::vector<NamedMetric> row = {
      {"loss", 0.5F}, {"count", 7}, {"backend", "a longer name than one cell holds"}, {"note", ""}};
  ASSERT_TRUE(log.log(run, 3, row, 1'234'567'891).ok());
  ASSERT_TRUE(log.flush().ok());
  const auto [rows, blocks] = rows_of_run(store_, "run");
  EXPECT_EQ(blocks, 1u);
  EXPECT_EQ(rows.steps(), std::vector<std::int64_t>{3});
  EXPECT_EQ(rows.times_ns(), std::vector<std::int64_t>{1'234'567'000});  // to the microsecond
  EXPECT_EQ(column_of(rows, "loss")->reals, std::vector<double>{0.5});
  EXPECT_EQ(column_of(rows, "count")->integers, std::vector<std::int64_t>{7});
  EXPECT_EQ(column_of(rows, "backend")->dictionary[0], "a longer name than one cell holds");
  EXPECT_EQ(column_of(rows, "note")->dictionary[0], "");
}

TEST_F(MetricLogTest, ANumberBeyondSixtyThreeBitsIsTheNearestReal) {
  EXPECT_EQ(MetricValue(true).integer(), 1);
  EXPECT_EQ(MetricValue(std::uint64_t{1} << 62).integer(), std::int64_t{1} << 62);
  EXPECT_EQ(MetricValue(std::uint64_t{1} << 62).kind(), MetricValue::Kind::integer);
  EXPECT_EQ(MetricValue(std::uint64_t{1} << 63).kind(), MetricValue::Kind::real);
  EXPECT_EQ(MetricValue(std::uint64_t{1} << 63).real(), 0x1p63);
}

TEST_F(MetricLogTest, TheFieldsOfTrainingAreSeries) {
  MetricLog log(store_, lazy());
  const auto run = log.run("run").value();
  TrainingMetrics step{.epoch = 2,
                       .timestamp_ns = 5'000,
                       .train_loss = 1,
                       .val_loss = 2,
                       .grad_norm = 3,
                       .grad_max = 4,
                       .grad_min = 5,
                       .circuit_execution_time_ms = 6,
                       .circuits_executed = 7,
                       .qubits_used = 8,
                       .shots_per_circuit = 9,
                       .backend = "aer",
                       .queue_time_ms = 10,
                       .cost_usd = 11,
                       .credits_used = 12,
                       .batch_time_ms = 13,
                       .throughput_samples_per_sec = 14,
                       .others = {{"accuracy", 0.5}}};
  ASSERT_TRUE(log.log(run, 40, step).ok());
  ASSERT_TRUE(log.log_epoch(run, 3, {.val_loss = 0.25}).ok());
  ASSERT_TRUE(log.close().ok());
  const MetricRows rows = rows_of_run(store_, "run").first;
  EXPECT_EQ(rows.steps(), (std::vector<std::int64_t>{40, kEpochStep}));
  EXPECT_EQ(rows.times_ns()[0], 5'000);
  EXPECT_EQ(rows.columns().size(), 17u);  // step and timestamp are the row's
  EXPECT_EQ(column_of(rows, "epoch")->integers, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(column_of(rows, "val_loss")->reals, (std::vector<double>{2, 0.25}));
  EXPECT_EQ(column_of(rows, "train_loss")->rows, std::vector<std::uint32_t>{0});
}

TEST_F(MetricLogTest, TwentyThousandPushesAndAnImmediateCloseAreTwentyThousandPoints) {
  MetricLog log(store_);
  const MetricSeries loss = series_of(log, "run", "loss");
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(log.push(loss, i, i));
  ASSERT_TRUE(log.close().ok());
  const MetricRows rows = rows_of_run(store_, "run").first;
  ASSERT_EQ(rows.rows(), 20'000u);
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    ASSERT_EQ(rows.steps()[i], static_cast<std::int64_t>(i));
    ASSERT_EQ(rows.columns()[0].reals[i], static_cast<double>(i));
  }
  const MetricLogStats stats = log.stats();
  EXPECT_EQ(stats.pushed, 20'000u);
  EXPECT_EQ(stats.popped, 20'000u);
  EXPECT_EQ(stats.written, 20'000u);
  EXPECT_EQ(stats.dropped + stats.refused + stats.lost, 0u);
  EXPECT_EQ(stats.drop_rate(), 0);
}

TEST_F(MetricLogTest, ThreadsThatWaitForRoomLoseNothing) {
  constexpr int kThreads = 4, kEach = 30'000;
  MetricLogOptions options = lazy();
  options.flush_rows = 1000;
  MetricLog log(store_, options);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&log, t] {
        const auto run = log.run(t % 2 == 0 ? "even" : "odd").value();
        const std::string name = "thread " + std::to_string(t);
        const MetricSeries series = log.series(run, name).value();
        for (int i = 0; i < kEach; ++i) {
          if (i % 3 != 0) {
            EXPECT_TRUE(log.push(series, i, i));
          } else {
            const std::vector<NamedMetric> row = {{name, 1.0 * i}, {"text", "x"}};
            EXPECT_TRUE(log.log(run, i, row).ok());
          }
        }
      });
    }
  }
  ASSERT_TRUE(log.close().ok());
  for (int t = 0; t < kThreads; ++t) {
    SCOPED_TRACE(t);
    const MetricRows rows = rows_of_run(store_, t % 2 == 0 ? "even" : "odd").first;
    const MetricColumn* const column = column_of(rows, "thread " + std::to_string(t));
    ASSERT_NE(column, nullptr);
    std::vector<double> values = column->reals;
    // Two threads may take a time from the clock that is the same, or goes back: what counts is that all are there.
    std::ranges::sort(values);
    ASSERT_EQ(values.size(), static_cast<std::size_t>(kEach));
    for (int i = 0; i < kEach; ++i) ASSERT_EQ(values[static_cast<std::size_t>(i)], i);
  }
  EXPECT_EQ(log.stats().pushed, kThreads * (kEach + kEach / 3));
}

TEST_F(MetricLogTest, WhatWasAcceptedWhileAnotherThreadClosesIsWritten) {
  for (int round = 0; round < 50; ++round) {
    GatedEntryStore store;
    MetricLog log(store, lazy());
    const MetricSeries series = series_of(log, "run", "x");
    std::latch begun(1);
    std::uint64_t accepted = 0;
    std::jthread pusher([&] {
      while (log.push(series, 1, 1)) {
        if (++accepted == 100) begun.count_down();
      }
    });
    begun.wait();
    ASSERT_TRUE(log.close().ok());
    pusher.join();
    ASSERT_EQ(rows_of_run(store, "run").first.rows(), accepted) << round;
  }
}

TEST_F(MetricLogTest, AFullRingDropsOrRefusesAndCounts) {
  for (const OnFull on_full : {OnFull::drop, OnFull::fail}) {
    GatedEntryStore store;
    MetricLogOptions options = lazy();
    options.on_full = on_full;
    options.flush_rows = 1;
    MetricLog log(store, options);
    const MetricSeries series = series_of(log, "run", "x");
    store.set_open(false);
    ASSERT_TRUE(log.push(series, 0, 0));
    store.wait_for_write();  // with the ring empty
    for (std::size_t i = 0; i < kSmallestRing; ++i) ASSERT_TRUE(log.push(series, 1, 1)) << i;
    for (int i = 0; i < 100; ++i) ASSERT_FALSE(log.push(series, 2, 2));
    const std::vector<NamedMetric> row = {{"x", 1}, {"y", 2}};
    const Status refused = log.log(log.run("run").value(), 2, row);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::overloaded);
    EXPECT_TRUE(refused.error().retryable);
    EXPECT_EQ(log.stats().utilization, 1);
    store.set_open(true);
    ASSERT_TRUE(log.close().ok());
    const MetricLogStats stats = log.stats();
    EXPECT_EQ(on_full == OnFull::drop ? stats.dropped : stats.refused, 102u);
    EXPECT_EQ(on_full == OnFull::drop ? stats.refused : stats.dropped, 0u);
    EXPECT_EQ(rows_of_run(store, "run").first.points(), 1 + kSmallestRing);
    EXPECT_DOUBLE_EQ(stats.drop_rate(), 102.0 / (102 + 1 + kSmallestRing));
  }
}

TEST_F(MetricLogTest, AFailureIsReportedOnceAskedAndTheRowsAreWrittenLater) {
  MetricLog log(store_, lazy());
  const MetricSeries series = series_of(log, "run", "x");
  store_.set_failing(true);
  ASSERT_TRUE(log.push(series, 1, 1));
  const Status failed = log.flush();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message, "the disk is gone");
  EXPECT_GE(log.stats().failures, 1u);
  EXPECT_EQ(log.stats().last_error, "the disk is gone");
  ASSERT_TRUE(log.push(series, 2, 2));
  store_.set_failing(false);
  ASSERT_TRUE(log.flush().ok());
  EXPECT_EQ(rows_of_run(store_, "run").first.steps(), (std::vector<std::int64_t>{1, 2}));
}

TEST_F(MetricLogTest, AStoreThatFailsForGoodStopsNobody) {
  store_.set_failing(true);
  MetricLogOptions options = lazy();
  options.flush_rows = 1;
  MetricLog log(store_, options);
  const auto run = log.run("run").value();
  const std::string text(4096, 'x');
  std::uint64_t accepted = 0;
  // More than is kept for later: those who would wait are let go.
  for (int i = 0; i < 5000; ++i) {
    const std::string different = text.substr(8) + std::to_string(i);
    const std::vector<NamedMetric> row = {{"text", different}};
    accepted += log.log(run, i, row).ok() ? 1 : 0;
  }
  EXPECT_LT(accepted, 5000u);
  EXPECT_EQ(log.stats().dropped, 5000 - accepted);
  EXPECT_FALSE(log.close().ok());
  EXPECT_EQ(log.stats().lost, accepted);
}

TEST_F(MetricLogTest, ManySmallBlocksOfARunBecomeFew) {
  MetricLog log(store_, lazy());
  const MetricSeries series = series_of(log, "run", "loss");
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(log.push(series, i, i));
    if (i % 100 == 99) {
      ASSERT_TRUE(log.flush().ok());
    }
  }
  EXPECT_LE(rows_of_run(store_, "run").second, 21u);
  ASSERT_TRUE(log.close().ok());
  const auto [rows, blocks] = rows_of_run(store_, "run");
  EXPECT_LE(blocks, 3u);
  ASSERT_EQ(rows.rows(), 10'000u);
  for (std::size_t i = 0; i < rows.rows(); ++i) ASSERT_EQ(rows.steps()[i], static_cast<std::int64_t>(i));
  EXPECT_EQ(log.stats().blocks, 100u);
  EXPECT_GT(log.stats().joined, 90u);
}

TEST_F(MetricLogTest, ARowIsWrittenAgainOnceForEachSizeOfBlocks) {
  MetricLog log(store_, lazy());
  const MetricSeries series = series_of(log, "run", "loss");
  constexpr int kRows = 30'000;  // three sizes: 100, 800, 6400
  for (int i = 0; i < kRows; ++i) {
    ASSERT_TRUE(log.push(series, i, i));
    if (i % 100 == 99) {
      ASSERT_TRUE(log.flush().ok());
    }
  }
  // Into 37 blocks of 800, and those into 4 of 6400.
  EXPECT_EQ(log.stats().joined, 37u * 8 + 4u * 8);
}

TEST_F(MetricLogTest, BlocksOfManyRunsAreJoinedInOneWrite) {
  MetricLog log(store_, lazy());
  std::vector<MetricSeries> series;
  for (int run = 0; run < 50; ++run) series.push_back(series_of(log, "run" + std::to_string(run), "loss"));
  for (int block = 0; block < 8; ++block) {
    for (const MetricSeries& one : series) ASSERT_TRUE(log.push(one, block, block));
    ASSERT_TRUE(log.flush().ok());
  }
  ASSERT_TRUE(log.close().ok());
  EXPECT_EQ(log.stats().joined, 50u * 8);
  EXPECT_EQ(store_.inner.writes(), 8u + 1u);
  for (int run = 0; run < 50; ++run) {
    const auto [rows, blocks] = rows_of_run(store_, "run" + std::to_string(run));
    EXPECT_EQ(blocks, 1u);
    EXPECT_EQ(rows.rows(), 8u);
  }
}

TEST_F(MetricLogTest, ADateThatStepsBackReordersNoThreadsRows) {
  MetricLog log(store_, lazy());
  const std::uint32_t run = log.run("run").value();
  const auto log_row = [&](const char* name, int i, std::int64_t time_ns) {
    ASSERT_TRUE(log.log(run, i, std::array<NamedMetric, 1>{{{name, i}}}, time_ns).ok());
  };
  const auto us = [](std::int64_t time) { return time * 1000; };
  for (int i = 0; i < 10; ++i) log_row("a", i, us(i < 5 ? 100 + 10 * i : 10 * i));  // 100 to 140, 50 to 90
  std::thread other([&] {
    for (int i = 0; i < 10; ++i) log_row("b", i, us(i < 5 ? 105 + 10 * i : 10 * i - 5));  // 105 to 145, 45 to 85
  });
  other.join();
  ASSERT_TRUE(log.close().ok());
  const auto [rows, blocks] = rows_of_run(store_, "run");
  ASSERT_EQ(blocks, 1u);
  for (const char* const name : {"a", "b"}) {
    const MetricColumn* const column = column_of(rows, name);
    ASSERT_NE(column, nullptr);
    for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(column->integers[i], static_cast<std::int64_t>(i)) << name;
  }
  // The threads' rows are beside each other as far as their times say so; what is behind a step back stays behind it.
  const std::vector<std::int64_t> first = {us(100), us(105), us(110), us(115), us(120),
                                           us(125), us(130), us(135), us(140)};
  EXPECT_EQ(std::vector<std::int64_t>(rows.times_ns().begin(), rows.times_ns().begin() + 9), first);
  EXPECT_EQ(rows.times_ns()[9], us(50));
}

TEST_F(MetricLogTest, ALargeBlockIsContentAndItsEntryTheDirectory) {
  MetricLog log(store_, lazy());
  const MetricSeries series = series_of(log, "run", "loss");
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(log.push(series, i, std::sqrt(i)));
  ASSERT_TRUE(log.close().ok());
  const auto entry = store_.find(metric_block_key("run", 0)).value();
  ASSERT_TRUE(entry);
  ASSERT_EQ(entry->references.size(), 1u);
  EXPECT_LT(entry->value.size(), 200u);
  const auto head = metric_block_head(*entry);
  ASSERT_TRUE(head.ok()) << head.error().message;
  EXPECT_EQ(head->rows, 10'000u);
  const auto block = metric_block_bytes(store_, *entry);
  ASSERT_TRUE(block.ok());
  EXPECT_EQ(block->size(), head->bytes);
  EXPECT_EQ(decode_metric_block(as_bytes(*block)).value().rows(), 10'000u);
  // Content of another block is none of this one.
  Entry other = *entry;
  other.value[4] = static_cast<char>(other.value[4] ^ 1);
  EXPECT_EQ(metric_block_bytes(store_, other).error().code, ErrorCode::corruption);
  // A directory that is cut short or goes on is refused.
  other = *entry;
  for (std::size_t size = 0; size < entry->value.size(); ++size) {
    other.value.resize(size);
    EXPECT_FALSE(metric_block_head(other).ok()) << size;
    other.value = entry->value;
  }
  other.value += '\0';
  EXPECT_FALSE(metric_block_head(other).ok());
}

TEST_F(MetricLogTest, ARunThatIsGoneOnWithIsAppendedTo) {
  for (int session = 0; session < 20; ++session) {
    MetricLog log(store_, lazy());
    ASSERT_TRUE(log.push(series_of(log, "run", "x"), session, session));
    ASSERT_TRUE(log.close().ok());
  }
  const auto [rows, blocks] = rows_of_run(store_, "run");
  EXPECT_EQ(blocks, 1u);
  ASSERT_EQ(rows.rows(), 20u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(rows.steps()[static_cast<std::size_t>(i)], i);
}

TEST_F(MetricLogTest, ADamagedBlockStopsNeitherItsRunNorOthers) {
  const std::string damaged(100, '\x01');
  {
    MetricLog log(store_, lazy());
    ASSERT_TRUE(log.push(series_of(log, "run", "x"), 1, 1));
    ASSERT_TRUE(log.close().ok());
    // One whose head is damaged, and one whose rows are.
    std::string steps_damaged = store_.find(metric_block_key("run", 0)).value()->value;
    steps_damaged[8] = static_cast<char>(steps_damaged[8] ^ 0x55);
    ASSERT_TRUE(store_.inner.write({{.key = metric_block_key("run", 0), .value = damaged}}, {}).ok());
    ASSERT_TRUE(store_.inner.write({{.key = metric_block_key("run", 1), .value = steps_damaged}}, {}).ok());
  }
  MetricLog log(store_, lazy());
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(log.push(series_of(log, "run", "x"), i, i));
    ASSERT_TRUE(log.push(series_of(log, "other", "x"), i, i));
    ASSERT_TRUE(log.flush().ok()) << i;
  }
  ASSERT_TRUE(log.close().ok());
  EXPECT_EQ(log.stats().written, 60u);
  EXPECT_EQ(rows_of_run(store_, "other").first.rows(), 30u);
  EXPECT_EQ(store_.find(metric_block_key("run", 0)).value()->value, damaged);
  std::size_t rows = 0;
  for (std::uint64_t number = 2; number < 40; ++number) {
    const auto entry = store_.find(metric_block_key("run", number)).value();
    if (entry) rows += decode_metric_block(as_bytes(entry->value)).value().rows();
  }
  EXPECT_EQ(rows, 30u);
}

TEST_F(MetricLogTest, TwoLogsOfOneRunLoseNothing) {
  MetricLog first(store_, lazy()), second(store_, lazy());
  for (int i = 0; i < 40; ++i) {
    MetricLog& log = i % 2 == 0 ? first : second;
    ASSERT_TRUE(log.push(series_of(log, "run", "x"), i, i));
    ASSERT_TRUE(log.flush().ok());
  }
  ASSERT_TRUE(first.close().ok());
  ASSERT_TRUE(second.close().ok());
  std::vector<std::int64_t> steps = rows_of_run(store_, "run").first.steps();
  std::ranges::sort(steps);
  ASSERT_EQ(steps.size(), 40u);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(steps[static_cast<std::size_t>(i)], i);
}

TEST_F(MetricLogTest, EnoughRowsAreWrittenWithoutBeingAskedFor) {
  MetricLogOptions options = lazy();
  options.flush_rows = 10;
  MetricLog log(store_, options);
  const MetricSeries series = series_of(log, "run", "x");
  store_.set_open(false);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(log.push(series, i, i));
  store_.wait_for_write();
  store_.set_open(true);
  // And so are few, when they have waited long enough.
  options.flush_rows = 1000;
  options.flush_interval = std::chrono::milliseconds(1);
  MetricLog other(store_, options);
  ASSERT_TRUE(log.close().ok());
  store_.set_open(false);
  ASSERT_TRUE(other.push(series_of(other, "other", "x"), 1, 1));
  store_.wait_for_write();
  store_.set_open(true);
}

TEST_F(MetricLogTest, RowsThatWaitAreWrittenWhenTheyNeedNotWaitAnyMore) {
  MetricLog log(store_, lazy());
  const MetricSeries series = series_of(log, "run", "x");
  store_.set_open(false);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(log.push(series, i, i));
  log.set_flush(10, std::chrono::hours(1));
  store_.wait_for_write();
  store_.set_open(true);
  ASSERT_TRUE(log.flush().ok());
  store_.set_open(false);
  ASSERT_TRUE(log.push(series, 10, 10));
  log.set_flush(1000, std::chrono::milliseconds(0));
  store_.wait_for_write();
  store_.set_open(true);
  ASSERT_TRUE(log.close().ok());
  EXPECT_EQ(rows_of_run(store_, "run").first.rows(), 11u);
}

TEST_F(MetricLogTest, WhicheverWriteIsTheLastWhatIsThereIsAPrefixWithAllThatWasAcknowledged) {
  for (int last = 0; last < 30; ++last) {
    GatedEntryStore store;
    MetricLog log(store, lazy());
    const MetricSeries series = series_of(log, "run", "x");
    int acknowledged = 0;
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(log.push(series, i, i));
      if (i % 10 != 9) continue;
      store.set_failing(i / 10 >= last);  // as if the process were gone
      if (log.flush().ok()) acknowledged = i + 1;
    }
    ASSERT_EQ(acknowledged, last * 10);
    const MetricRows rows = rows_of_run(store, "run").first;
    ASSERT_EQ(rows.rows(), static_cast<std::size_t>(acknowledged));
    for (std::size_t i = 0; i < rows.rows(); ++i) ASSERT_EQ(rows.steps()[i], static_cast<std::int64_t>(i));
  }
}

TEST_F(MetricLogTest, RunsAreListedByAnIndexKeyEach) {
  MetricLog log(store_, lazy());
  for (const char* run : {"b", "a"}) {
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(log.push(series_of(log, run, "x"), i, i));
      ASSERT_TRUE(log.flush().ok());
    }
  }
  std::vector<std::string> keys;
  ASSERT_TRUE(store_
                  .scan_index("m", EntryStore::Order::ascending, {},
                              [&](std::string_view index_key, std::string_view) {
                                keys.emplace_back(index_key);
                                return Result<bool>(true);
                              })
                  .ok());
  EXPECT_EQ(keys, (std::vector<std::string>{metric_run_prefix("a"), metric_run_prefix("b")}));
}

TEST_F(MetricLogTest, WhatIsWrongIsRefused) {
  MetricLog log(store_, lazy());
  EXPECT_EQ(log.run("").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(log.run(std::string(1025, 'x')).error().code, ErrorCode::invalid_argument);
  const auto run = log.run("run").value();
  EXPECT_EQ(log.series(run, "").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(log.series(run, std::string(257, 'x')).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(log.series(run + 1, "x").error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(log.push(MetricSeries(), 1, 1));
  EXPECT_EQ(log.log(run, 1, std::span<const NamedMetric>()).error().code, ErrorCode::invalid_argument);
  const std::string long_text(4097, 'x');
  const std::vector<NamedMetric> row = {{"fine", 1}, {"text", long_text}};
  EXPECT_EQ(log.log(run, 1, row).error().code, ErrorCode::invalid_argument);
  ASSERT_TRUE(log.close().ok());
  EXPECT_FALSE(log.push(series_of(log, "run", "x"), 1, 1));
  const std::vector<NamedMetric> late = {{"x", 1}};
  EXPECT_EQ(log.log(run, 1, late).error().code, ErrorCode::cancelled);
  EXPECT_TRUE(log.flush().ok());
  EXPECT_TRUE(log.close().ok());
  EXPECT_EQ(log.stats().pushed, 0u);
}

}  // namespace
}  // namespace cairn
