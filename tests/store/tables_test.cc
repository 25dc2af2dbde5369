// SPDX-License-Identifier: Apache-2.0
//
// Experiments, operations and metrics in a real store: over openings, crashes, and beside readers.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/fault_file_system.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/segmented_store.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

class TablesTest : public ::testing::Test {
 protected:
  Store& store() { return log_.store(); }
  Evaluation evaluation(int number) {
    return {.hash = "h" + std::to_string(number),
            .fitness = static_cast<double>(number * 7 % 100),
            .metrics = {{"loss", 1.0 / (1 + number)}},
            .generation = static_cast<std::uint64_t>(number / 10)};
  }
  std::string best(std::size_t count) {
    std::string hashes;
    const EvaluationPage page = store().experiments().evaluations("e", {.limit = count}).value();
    for (const Evaluation& one : page.evaluations) hashes += one.hash + " ";
    return hashes;
  }

  SegmentedStore log_;
};

TEST_F(TablesTest, ExperimentsStayOverOpeningsRebuildingAndReclaiming) {
  ASSERT_TRUE(store().experiments().create({.name = "e", .config = "{}"}).value().created);
  std::optional<Ticket> last;
  for (int i = 0; i < 100; ++i) last = store().experiments().record("e", evaluation(i)).value().ticket;
  ASSERT_TRUE(last->committed().wait().ok());
  const auto passing = log_.fill();
  log_.fill();
  log_.remove(passing);
  ASSERT_TRUE(store().gc({.max_dead = 0}).ok());
  for (int time = 0; time < 3; ++time) {
    EXPECT_EQ(best(3), "h57 h14 h71 ");  // 99, 98, 97
    const EvaluationStatistics all = store().experiments().statistics("e").value();
    EXPECT_EQ(all.count, 100u);
    EXPECT_DOUBLE_EQ(all.mean, 49.5);
    EXPECT_EQ(store().experiments().statistics("e", 3).value().count, 10u);
    EXPECT_FALSE(store().experiments().record("e", evaluation(5)).value().evaluations.front().inserted);
    EXPECT_EQ(wrong_with_counts(store()), "");
    if (time == 0) log_.reopen();
    if (time == 1) {
      ASSERT_TRUE(log_.rebuild().empty());
    }
  }
  EXPECT_EQ(store().experiments().remove("e").value(), 100u);
  EXPECT_FALSE(store().experiments().find("e").value());
  EXPECT_EQ(wrong_with_counts(store()), "");
}

TEST_F(TablesTest, WhatACrashLeftClaimedIsClaimedAgainAtOnce) {
  const Claim held = *store().operations().claim("k", {.lease = std::chrono::hours(1)}).value().claim;
  ASSERT_TRUE(store().sync().ok());
  // Another machine finds what the log holds now.
  const auto crashed = log_.fs().survivor(1, Loss::drop_unsynced);
  Store after = StoreImpl::handle(StoreImpl::open(*crashed, "store", {.threads = 2}, {}).value());
  const OperationInfo found = after.operations().find("k").value();
  EXPECT_EQ(found.attempts, 1u) << "the claim had survived";
  EXPECT_NE(found.state, OperationState::running);
  const ClaimOutcome again = after.operations().claim("k").value();
  ASSERT_TRUE(again.claim);
  EXPECT_GT(again.claim->token, held.token);
  const auto stale = after.operations().complete(held, {.bytes = "old"});
  ASSERT_FALSE(stale.ok());
  EXPECT_EQ(stale.error().code, ErrorCode::conflict);
  ASSERT_TRUE(after.operations().complete(*again.claim, {.bytes = "new"}).value().committed().wait().ok());
  EXPECT_EQ(after.operations().find("k").value().value.bytes, "new");
}

TEST_F(TablesTest, ManyThreadsComputeAKeyOnce) {
  const std::size_t threads = scaled(16, 64), rounds = scaled(20, 1'000);
  std::vector<std::atomic<int>> computed(rounds);
  std::atomic<std::size_t> wrong = 0;
  std::vector<std::thread> running;
  for (std::size_t t = 0; t < threads; ++t) {
    running.emplace_back([&] {
      for (std::size_t round = 0; round < rounds; ++round) {
        const std::string key = "round" + std::to_string(round);
        const auto value = store().operations().get_or_compute(key, [&]() -> Result<OperationValue> {
          ++computed[round];
          return OperationValue{.bytes = key};
        });
        if (!value.ok() || value->bytes != key) ++wrong;
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  EXPECT_EQ(wrong, 0u);
  for (std::size_t round = 0; round < rounds; ++round) ASSERT_EQ(computed[round], 1) << round;
  log_.reopen();
  EXPECT_EQ(store().operations().find("round0").value().value.bytes, "round0");
}

TEST_F(TablesTest, MetricsThatWereAcceptedAreThereAfterAGracefulStop) {
  constexpr int kPushes = 20'000;
  {
    Metrics metrics = store().metrics().value();
    MetricRun run = metrics.run("r").value();
    const MetricSeries loss = run.series("loss").value();
    for (int i = 0; i < kPushes; ++i) ASSERT_TRUE(run.push(loss, i, 0.5F * static_cast<float>(i)));
  }
  log_.reopen();
  const MetricCurve curve = store().metrics().value().query("r", "loss").value();
  ASSERT_EQ(curve.points.size(), static_cast<std::size_t>(kPushes));
  for (int i = 0; i < kPushes; i += 997) EXPECT_EQ(curve.points[i].value, 0.5 * i) << i;
}

TEST_F(TablesTest, OfMetricsAPowerCutLeavesAPrefixWithEverythingAcknowledged) {
  for (std::uint64_t cut = 1; cut < 40; cut += scaled(6, 1)) {
    SimFileSystem fs({.seed = cut});
    ASSERT_TRUE(StoreImpl::create(fs, "store", kSmallStore).ok());
    std::size_t acknowledged = 0;
    {
      Store dying = StoreImpl::handle(StoreImpl::open(fs, "store", {.threads = 2}, {}).value());
      Metrics metrics = dying.metrics().value();
      MetricRun run = metrics.run("r").value();
      fs.crash_at(cut);
      for (std::size_t i = 0; i < 2'000; ++i) {
        ASSERT_TRUE(run.log(static_cast<std::int64_t>(i), {{"loss", static_cast<double>(i)}}).ok() || fs.crashed());
        if (i % 250 == 249 && metrics.flush().ok()) acknowledged = i + 1;
      }
      static_cast<void>(dying.close().ok());
    }
    const auto left = fs.survivor(cut, Loss::drop_unsynced);
    Store after = StoreImpl::handle(StoreImpl::open(*left, "store", {.threads = 2}, {}).value());
    const auto curve = after.metrics().value().query("r", "loss");
    const std::size_t there = curve.ok() ? curve->points.size() : 0;
    EXPECT_GE(there, acknowledged) << "cut at call " << cut;
    for (std::size_t i = 0; i < there; ++i) ASSERT_EQ(curve->points[i].value, static_cast<double>(i)) << cut;
    EXPECT_EQ(wrong_with_counts(after), "");
  }
}

TEST_F(TablesTest, AReaderSeesAllOfItWhileTheWriterGoesOn) {
  ASSERT_TRUE(store().experiments().create({.name = "e"}).ok());
  Store reader =
      StoreImpl::handle(StoreImpl::open(log_.fs(), "store", {.access = Access::read_only, .threads = 2}, {}).value());
  ASSERT_TRUE(store().experiments().record("e", evaluation(1)).value().ticket->committed().wait().ok());
  EXPECT_EQ(reader.experiments().evaluations("e").value().evaluations.size(), 1u);
  EXPECT_EQ(reader.experiments().statistics("e").value().count, 1u);
  ASSERT_TRUE(store().experiments().record("e", evaluation(2)).value().ticket->committed().wait().ok());
  EXPECT_EQ(reader.experiments().statistics("e").value().count, 2u);
  Metrics metrics = store().metrics().value();
  MetricRun run = metrics.run("r").value();
  ASSERT_TRUE(run.log(1, {{"loss", 0.5}}).ok());
  ASSERT_TRUE(metrics.flush().ok());
  EXPECT_EQ(reader.metrics().value().query("r", "loss").value().points.size(), 1u);
  EXPECT_FALSE(reader.metrics().value().run("r").ok());
  const auto claim = store().operations().claim("k").value().claim;
  ASSERT_TRUE(store().operations().complete(*claim, {.bytes = "v"}).value().committed().wait().ok());
  EXPECT_EQ(reader.operations().find("k").value().value.bytes, "v");
  EXPECT_FALSE(reader.operations().claim("other").ok());
  EXPECT_FALSE(reader.experiments().create({.name = "no"}).ok());
}

TEST_F(TablesTest, AForkedChildIsToldByAllOfItAndNothingHangs) {
  ASSERT_TRUE(store().results().put("k", ResultValue::json("1")).ok());
  Metrics metrics = store().metrics().value();
  MetricRun run = metrics.run("r").value();
  const MetricSeries loss = run.series("loss").value();
  ASSERT_TRUE(run.push(loss, 0, 0.5));
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // a child that hangs is killed, and fails
    const bool told = !run.push(loss, 1, 0.5) && !run.log(1, {{"loss", 0.5}}).ok() && !metrics.flush().ok() &&
                      !metrics.query("r", "loss").ok() && !metrics.run("s").ok() && metrics.stats().pushed == 0 &&
                      !store().results().get("k").ok() && !store().experiments().create({.name = "e"}).ok() &&
                      !store().operations().claim("k").ok() && !store().metrics().ok();
    ::_exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(metrics.query("r", "loss").value().points.size(), 1u);
}

TEST_F(TablesTest, AQueryReturnsWhileAnotherThreadGoesOnLogging) {
  Metrics metrics = store().metrics().value();
  MetricRun run = metrics.run("r").value();
  std::atomic<bool> answered = false;
  std::atomic<std::int64_t> logged = 0;
  std::thread logging([&] {
    // As long as nobody has an answer.
    while (!answered) {
      if (run.log(logged, {{"loss", 0.5}}).ok()) ++logged;
    }
  });
  while (logged < 100) std::this_thread::yield();
  for (int i = 0; i < 5; ++i) EXPECT_GE(metrics.query("r", "loss").value().points.size(), 100u);
  answered = true;
  logging.join();
  EXPECT_EQ(metrics.query("r", "loss").value().points.size(), static_cast<std::size_t>(logged));
}

TEST_F(TablesTest, AClosedStoreRefusesAllOfIt) {
  Metrics metrics = store().metrics().value();
  MetricRun run = metrics.run("r").value();
  ASSERT_TRUE(store().close().ok());
  EXPECT_FALSE(store().experiments().create({.name = "e"}).ok());
  EXPECT_FALSE(store().operations().claim("k").ok());
  EXPECT_FALSE(store().metrics().ok());
  EXPECT_FALSE(run.log(1, {{"loss", 0.5}}).ok());
}

}  // namespace
}  // namespace cairn::testing
