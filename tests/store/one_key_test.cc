// SPDX-License-Identifier: Apache-2.0
//
// One key that many threads ask for at once, round after round: in each it is computed once, and
// all of them get that value. CAIRN_TEST_SCALE=long: 64 threads and 1,000 rounds.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "cairn/operations.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/segmented_store.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

TEST(OneKeyTest, ManyThreadsThatAskForOneKeyComputeItOnceInEachRound) {
  SegmentedStore log;
  Operations operations = log.store().operations();
  const std::size_t threads_count = scaled(8, 64), rounds = scaled(50, 1'000);
  std::vector<std::atomic<int>> computed(rounds);
  std::atomic<int> wrong = 0;
  std::barrier together(static_cast<std::ptrdiff_t>(threads_count));
  const auto ask = [&](std::size_t thread) {
    for (std::size_t round = 0; round < rounds; ++round) {
      const std::string number = std::to_string(round);
      together.arrive_and_wait();
      const auto value = operations.get_or_compute("k", [&]() -> Result<OperationValue> {
        ++computed[round];
        std::this_thread::yield();  // so that some wait, and some come when it is there
        return OperationValue{.bytes = number};
      });
      if (!value.ok() || value->bytes != number) ++wrong;
      together.arrive_and_wait();
      if (thread != 0) continue;
      const auto removed = operations.remove("k");
      if (!removed.ok() || !*removed) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < threads_count; ++thread) threads.emplace_back(ask, thread);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  for (std::size_t round = 0; round < rounds; ++round) ASSERT_EQ(computed[round], 1) << "round " << round;
}

}  // namespace
}  // namespace cairn::testing
