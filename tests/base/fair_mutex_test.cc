// SPDX-License-Identifier: Apache-2.0
#include "engine/base/fair_mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace cairn {
namespace {

TEST(FairMutexTest, WhoCameFirstHasItFirst) {
  FairMutex mutex;
  for (int round = 0; round < 300; ++round) {
    std::vector<char> turns;  // guarded by mutex
    mutex.lock();
    EXPECT_FALSE(mutex.has_waiters());
    std::thread other([&] {
      const std::unique_lock lock(mutex);
      turns.push_back('b');
    });
    while (!mutex.has_waiters()) std::this_thread::yield();
    EXPECT_FALSE(mutex.try_lock());
    turns.push_back('a');
    mutex.unlock();
    mutex.lock();  // at once, and yet behind the one that was waiting
    turns.push_back('c');
    mutex.unlock();
    other.join();
    ASSERT_EQ(std::string(turns.begin(), turns.end()), "abc") << "round " << round;
  }
}

TEST(FairMutexTest, TryingSucceedsWhenNobodyHasOrWantsIt) {
  FairMutex mutex;
  ASSERT_TRUE(mutex.try_lock());
  EXPECT_FALSE(mutex.try_lock());
  mutex.unlock();
  ASSERT_TRUE(mutex.try_lock());
  mutex.unlock();
}

TEST(FairMutexTest, OneAtATimeAndNobodyIsForgotten) {
  FairMutex mutex;
  std::size_t counter = 0;  // guarded by mutex, and not atomic
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const std::unique_lock lock(mutex);
        ++counter;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counter, 8u * 200u);
}

}  // namespace
}  // namespace cairn
