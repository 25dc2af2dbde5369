// SPDX-License-Identifier: Apache-2.0
//
// A store that may take so much of the disk and no more.
#include <gtest/gtest.h>

#include <thread>

#include "engine/log/disk_room.h"
#include "tests/support/gc_scenario.h"

namespace cairn::testing {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 60s;
constexpr std::uint64_t kBudget = 12 * MiB;
// Two segments, and what the index may grow by meanwhile.
constexpr std::uint64_t kBeyond = 2 * kSmallStore.segment_bytes + 512 * KiB;

template <class Condition>
::testing::AssertionResult comes_true(const Condition& condition) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return ::testing::AssertionFailure() << "in vain";
    std::this_thread::sleep_for(1ms);
  }
  return ::testing::AssertionSuccess();
}

class DiskBudgetTest : public ::testing::Test {
 protected:
  Store open(std::optional<ReclaimOptions> reclaim = {}) {
    auto opened = Store::open(folder_ / "store", {.mode = OpenMode::create,
                                                  .create = kSmallStore,
                                                  .threads = 2,
                                                  .codec = Codec::none,
                                                  .reclaim = reclaim,
                                                  .disk_budget_bytes = kBudget});
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return std::move(opened).value();
  }
  Status put(Store& store) {
    const std::string value = random_bytes(100'000, next_);
    const auto id = store.put({.bytes = std::as_bytes(std::span(value))});
    if (!id.ok()) return id.error();
    ids_.push_back(*id);
    ++next_;
    return {};
  }
  // Until there is no more room.
  void fill(Store& store) {
    for (Status put_one; put_one.ok();) {
      put_one = put(store);
      ASSERT_LE(use(), kBudget + 512 * KiB) << "for the index";
      if (!put_one.ok()) expect_for_want_of_room(put_one.error());
    }
  }
  void expect_for_want_of_room(const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::no_space) << error.message;
    EXPECT_TRUE(error.retryable);
  }
  void remove_some(Store& store, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto removed = store.remove(ids_[removed_++]);
      ASSERT_TRUE(removed.ok() && *removed) << removed.error().message;
      ASSERT_LE(use(), kBudget + kBeyond);
    }
  }
  std::uint64_t use() const { return disk_use(posix_file_system(), folder_ / "store").value(); }

  ScratchFolder folder_;
  std::vector<std::string> ids_;
  std::size_t next_ = 0, removed_ = 0;
};

TEST_F(DiskBudgetTest, APutBeyondItFailsAndIsTakenAfterReclaiming) {
  Store store = open();
  for (int round = 0; round < 2; ++round) {
    fill(store);
    ASSERT_GT(use(), kBudget - 2 * kSmallStore.segment_bytes) << "a budget is there to be used";
    remove_some(store, 40);
    const auto report = store.gc({.max_dead = 0});
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_GT(report->freed_bytes, 2'000'000u);
    EXPECT_LE(use(), kBudget);
    const Status again = put(store);
    ASSERT_TRUE(again.ok()) << again.error().message;
  }
  EXPECT_EQ(store.stats()->disk_budget_bytes, kBudget);
  EXPECT_EQ(wrong_with_counts(store), "");
  EXPECT_NE(store.metrics_text().find("cairn_disk_budget_bytes 12582912"), std::string::npos);
  ASSERT_TRUE(store.close().ok());
  store = open();
  EXPECT_EQ(wrong_with_counts(store), "");
}

// What a removal makes room for is not for puts, or both in turns would go on for ever.
TEST_F(DiskBudgetTest, TakingTurnsWithRemovalsIsNoWayAround) {
  Store store = open();
  fill(store);
  for (int i = 0; i < 60; ++i) {
    remove_some(store, 1);
    static_cast<void>(put(store).ok());
    ASSERT_LE(use(), kBudget + kBeyond);
  }
}

TEST_F(DiskBudgetTest, AboveTheMarkWhateverIsDeadGoes) {
  const auto mark = static_cast<std::uint64_t>(0.6 * static_cast<double>(kBudget));
  // By these alone nothing would be worth it.
  Store store = open(ReclaimOptions{.max_dead = 0.99, .min_dead_bytes = 1 << 30, .interval = 1ms, .low_water = 0.6});
  fill(store);
  store.pause_reclaiming();
  remove_some(store, 60);
  EXPECT_GT(use(), mark);
  expect_for_want_of_room(put(store).error());
  store.resume_reclaiming();
  ASSERT_TRUE(comes_true([&] { return use() <= mark; })) << store.state_dump();
  ASSERT_TRUE(comes_true([&] { return put(store).ok(); }));
  const ReclaimStats stats = store.reclaim_stats();
  EXPECT_EQ(stats.failures, 0u) << stats.error;
  EXPECT_GT(stats.freed_bytes, 2'000'000u);
  // Below the mark the other limits decide.
  store.pause_reclaiming();
  EXPECT_GT(store.stats()->dead_bytes, 0u) << "nothing more than that was done";
  EXPECT_EQ(wrong_with_counts(store), "");
  store.resume_reclaiming();
  ASSERT_TRUE(store.close().ok());
}

TEST_F(DiskBudgetTest, RefusesWhatMakesNoSense) {
  ASSERT_TRUE(Store::create(folder_ / "store", kSmallStore).ok());
  const auto refuses = [&](const StoreOptions& options) {
    const auto opened = Store::open(folder_ / "store", options);
    return !opened.ok() && opened.error().code == ErrorCode::invalid_argument;
  };
  EXPECT_TRUE(refuses({.disk_budget_bytes = 4 * kSmallStore.segment_bytes}));
  EXPECT_FALSE(refuses({.disk_budget_bytes = 4 * kSmallStore.segment_bytes, .reserve_bytes = 0}));
  EXPECT_TRUE(refuses({.reclaim = ReclaimOptions{.low_water = 0}}));
  EXPECT_TRUE(refuses({.reclaim = ReclaimOptions{.low_water = 1.1}}));
}

}  // namespace
}  // namespace cairn::testing
