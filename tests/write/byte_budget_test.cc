// SPDX-License-Identifier: Apache-2.0
#include "engine/write/byte_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

namespace cairn {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;

// Somebody who asks for `bytes` and waits until there is room.
std::future<void> ask(ByteBudget& budget, std::uint64_t bytes) {
  return std::async(std::launch::async, [&budget, bytes] { ByteBudget::Turn(budget).acquire(bytes); });
}

void wait_until_somebody_stands_in_line(ByteBudget& budget) {
  while (ByteBudget::Turn(budget, std::try_to_lock).first()) std::this_thread::yield();
}

bool granted(const std::future<void>& asked, std::chrono::nanoseconds patience = kPatience) {
  return asked.wait_for(patience) == std::future_status::ready;
}

TEST(ByteBudgetTest, GrantsUpToItsLimitAndWhatComesBack) {
  ByteBudget budget(100);
  {
    ByteBudget::Turn turn(budget);
    EXPECT_TRUE(turn.first());
    EXPECT_TRUE(turn.try_acquire(60));
    EXPECT_TRUE(turn.try_acquire(40));
    EXPECT_FALSE(turn.try_acquire(1));
    EXPECT_TRUE(turn.try_acquire(0));
  }
  EXPECT_EQ(budget.used(), 100u);
  budget.release(30);
  EXPECT_FALSE(ByteBudget::Turn(budget).try_acquire(31));
  EXPECT_TRUE(ByteBudget::Turn(budget).try_acquire(30));
}

TEST(ByteBudgetTest, ASmallerAskerDoesNotOvertakeALargerOneThatWaits) {
  ByteBudget budget(100);
  ByteBudget::Turn(budget).acquire(100);
  const auto large = ask(budget, 90);
  wait_until_somebody_stands_in_line(budget);
  budget.release(50);  // room for the smaller, not for the larger
  const auto smaller = ask(budget, 10);
  EXPECT_FALSE(granted(large, 20ms));
  EXPECT_FALSE(granted(smaller, 20ms));
  EXPECT_FALSE(ByteBudget::Turn(budget, std::try_to_lock).first());
  budget.release(40);
  ASSERT_TRUE(granted(large));
  EXPECT_FALSE(granted(smaller, 0ms)) << "10 of the first and 90 are all there is";
  budget.release(10);
  EXPECT_TRUE(granted(smaller));
  EXPECT_EQ(budget.used(), 100u);
}

TEST(ByteBudgetTest, MoreThanTheLimitIsGrantedAloneAndLetsNobodyIn) {
  ByteBudget budget(100);
  ByteBudget::Turn(budget).acquire(1);
  const auto huge = ask(budget, 1000);
  wait_until_somebody_stands_in_line(budget);
  EXPECT_FALSE(granted(huge, 20ms));
  budget.release(1);
  ASSERT_TRUE(granted(huge));
  EXPECT_EQ(budget.used(), 1000u);
  EXPECT_FALSE(ByteBudget::Turn(budget).try_acquire(1));
  budget.release(999);
  EXPECT_TRUE(ByteBudget::Turn(budget).try_acquire(99));
}

TEST(ByteBudgetTest, OpenedUpItGrantsEverythingToEverybody) {
  ByteBudget budget(100);
  ByteBudget::Turn(budget).acquire(100);
  std::vector<std::future<void>> waiting;
  for (int i = 0; i < 5; ++i) waiting.push_back(ask(budget, 70));
  wait_until_somebody_stands_in_line(budget);
  budget.open_up();
  for (const auto& one : waiting) EXPECT_TRUE(granted(one));
  EXPECT_EQ(budget.used(), 100u + 5 * 70u);
}

TEST(ByteBudgetTest, ManyThreadsNeverHaveMoreThanTheLimit) {
  ByteBudget budget(1000);
  std::atomic<std::uint64_t> held = 0, most = 0;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 200; ++i) {
        const std::uint64_t bytes = 1 + (t * 131 + i * 37) % 400;
        ByteBudget::Turn(budget).acquire(bytes);
        const std::uint64_t now = held += bytes;
        for (std::uint64_t seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        std::this_thread::yield();
        held -= bytes;
        budget.release(bytes);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(most, 1000u);
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace cairn
