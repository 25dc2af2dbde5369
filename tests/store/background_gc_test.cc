// SPDX-License-Identifier: Apache-2.0
//
// Giving space back without being asked.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/support/gc_scenario.h"

namespace cairn::testing {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 60s;

template <class Condition>
::testing::AssertionResult comes_true(const Condition& condition) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return ::testing::AssertionFailure() << "in vain";
    std::this_thread::sleep_for(1ms);
  }
  return ::testing::AssertionSuccess();
}

std::vector<std::byte> value_of(unsigned number) {
  std::mt19937_64 random(number);
  std::vector<std::byte> value(20'000 + number % 5 * 10'000);
  for (auto& byte : value) byte = static_cast<std::byte>(random());
  return value;
}

class BackgroundGcTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_ / "store"; }
  Store open(const ReclaimOptions& reclaim) {
    auto opened =
        Store::open(path(), {.mode = OpenMode::create, .create = kSmallStore, .threads = 2, .reclaim = reclaim});
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return std::move(opened).value();
  }
  static ReclaimOptions eager() { return {.max_dead = 0.2, .min_dead_bytes = 0, .interval = 1ms}; }
  void put(Store& store, unsigned from, unsigned to) {
    for (unsigned i = from; i < to; ++i) {
      const auto id = store.put({.bytes = value_of(i)});
      ASSERT_TRUE(id.ok()) << id.error().message;
      ids_of_[i] = *id;
    }
  }
  void remove(Store& store, unsigned from, unsigned to, unsigned but_every) {
    for (unsigned i = from; i < to; ++i) {
      if (i % but_every == 0) continue;
      const auto removed = store.remove(ids_of_[i]);
      ASSERT_TRUE(removed.ok() && *removed);
    }
  }
  static bool is_enough(Store& store) {
    const StoreStats stats = store.stats().value();
    return stats.dead_bytes * 4 < stats.log_bytes;
  }

  ScratchFolder folder_;
  std::map<unsigned, std::string> ids_of_;
};

TEST_F(BackgroundGcTest, WhatIsRemovedGivesItsSpaceBack) {
  Store store = open(eager());
  for (unsigned round = 0; round < 5; ++round) {
    put(store, 100 * round, 100 * round + 60);
    remove(store, 100 * round, 100 * round + 60, 6);
    ASSERT_TRUE(comes_true([&] { return is_enough(store); })) << store.state_dump();
  }
  const ReclaimStats stats = store.reclaim_stats();
  EXPECT_GT(stats.runs, 0u);
  EXPECT_GT(stats.segments, 3u);
  EXPECT_GT(stats.freed_bytes, 4'000'000u);
  EXPECT_EQ(stats.failures, 0u) << stats.error;
  EXPECT_NE(store.metrics_text().find("cairn_reclaimed_bytes_total "), std::string::npos);
  EXPECT_EQ(wrong_with_counts(store), "");
  for (unsigned round = 0; round < 5; ++round) {
    for (unsigned i = 100 * round; i < 100 * round + 60; i += 1) {
      if (i % 6 == 0) {
        EXPECT_EQ(store.get(ids_of_[i]).value(), value_of(i));
      } else {
        EXPECT_FALSE(store.contains(ids_of_[i]).value());
      }
    }
  }
  ASSERT_TRUE(store.close().ok());
}

TEST_F(BackgroundGcTest, APauseIsOneAndEndsWithTheLastOfThem) {
  Store store = open(eager());
  store.pause_reclaiming();
  store.pause_reclaiming();
  EXPECT_TRUE(store.reclaim_stats().paused);
  put(store, 0, 60);
  remove(store, 0, 60, 6);
  store.resume_reclaiming();
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(store.reclaim_stats().runs, 0u);
  EXPECT_FALSE(is_enough(store));
  store.resume_reclaiming();
  EXPECT_FALSE(store.reclaim_stats().paused);
  ASSERT_TRUE(comes_true([&] { return is_enough(store); }));
}

TEST_F(BackgroundGcTest, LittleIsNotWorthIt) {
  Store store = open({.max_dead = 0.2, .min_dead_bytes = 1 << 30, .interval = 1ms});
  put(store, 0, 40);
  remove(store, 0, 40, 6);
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(store.reclaim_stats().runs, 0u);
}

TEST_F(BackgroundGcTest, MeetsThoseWhoAskForIt) {
  Store store = open(eager());
  std::atomic<bool> done = false;
  std::vector<std::thread> others;
  for (int i = 0; i < 2; ++i) {
    others.emplace_back([&] {
      while (!done) {
        const auto report = store.gc({.max_dead = 0});
        ASSERT_TRUE(report.ok()) << report.error().message;
        ASSERT_TRUE(report->damaged.empty()) << report->damaged.front();
      }
    });
  }
  for (unsigned round = 0; round < 4; ++round) {
    put(store, 100 * round, 100 * round + 30);
    remove(store, 100 * round, 100 * round + 30, 6);
  }
  done = true;
  for (std::thread& other : others) other.join();
  EXPECT_EQ(wrong_with_counts(store), "");
  EXPECT_EQ(store.reclaim_stats().failures, 0u) << store.reclaim_stats().error;
}

TEST_F(BackgroundGcTest, ClosingEndsItWhereverItIs) {
  for (unsigned round = 0; round < 12; ++round) {
    Store store = open(eager());
    put(store, 100 * round, 100 * round + 30);
    remove(store, 100 * round, 100 * round + 30, 6);
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    ASSERT_TRUE(store.close().ok());
  }
  Store store = Store::open(path(), {.access = Access::read_only}).value();
  EXPECT_TRUE(store.info().recovery.damage.empty());
  EXPECT_EQ(wrong_with_counts(store), "");
}

TEST_F(BackgroundGcTest, RefusesWhatMakesNoSense) {
  ASSERT_TRUE(Store::create(path()).ok());
  const auto refuses = [&](Access access, const ReclaimOptions& reclaim) {
    const auto opened = Store::open(path(), {.access = access, .reclaim = reclaim});
    return !opened.ok() && opened.error().code == ErrorCode::invalid_argument;
  };
  EXPECT_TRUE(refuses(Access::read_only, {}));
  EXPECT_TRUE(refuses(Access::read_write, {.max_dead = -0.1}));
  EXPECT_TRUE(refuses(Access::read_write, {.max_dead = std::numeric_limits<double>::quiet_NaN()}));
  EXPECT_TRUE(refuses(Access::read_write, {.interval = 0ms}));
  EXPECT_TRUE(refuses(Access::read_write, {.interval = std::chrono::hours(25)}));
}

}  // namespace
}  // namespace cairn::testing
