// SPDX-License-Identifier: Apache-2.0
//
// A writer is killed, and power is lost later. What the killed process wrote and never synced
// is still readable in between, so the next process finds it, indexes it, builds upon it; it
// must not promise anything that rests on bytes which the power loss then takes away.
#include <cerrno>

#include "engine/base/errors.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr Loss kLosses[] = {Loss::drop_unsynced, Loss::keep_prefix, Loss::reorder_sectors};

class KilledThenPowerLossTest : public ::testing::Test {
 protected:
  // Kills the scenario at write-side call `at`: the calls it made are done, and not synced.
  void run_and_kill(SimFileSystem& disk, std::uint64_t at) {
    FaultFileSystem process(disk);
    scenario_.forget_acknowledged();
    // From that call on the process reaches nothing, as if it were gone.
    process.fail_at(at, error_from_errno(EIO, "killed"), Repeat::forever);
    static_cast<void>(scenario_.run(process, "store").ok());
  }
  std::uint64_t write_calls() {
    SimFileSystem disk;
    EXPECT_TRUE(scenario_.run(disk, "store").ok());
    return disk.write_calls();
  }
  void expect_survivors_whole(const SimFileSystem& disk, std::uint64_t seed) {
    for (const Loss loss : kLosses) {
      const auto survivor = disk.survivor(seed, loss);
      const std::string wrong = scenario_.what_is_wrong(*survivor, "store");
      ASSERT_TRUE(wrong.empty()) << wrong << "\nCAIRN_TEST_SEED=" << seed << ", loss " << static_cast<int>(loss) << "\n"
                                 << disk.trace();
    }
  }
  StoreScenario scenario_;
};

// Opening replays what was found, and closing makes the index that holds it durable.
TEST_F(KilledThenPowerLossTest, AnIndexOfWhatWasFoundPointsAtDurableBytes) {
  const std::uint64_t seed = test_seed(11);
  const std::uint64_t calls = write_calls();
  for (std::uint64_t at = 1; at <= calls; at += scaled(2, 1)) {
    SCOPED_TRACE("killed at call " + std::to_string(at) + " of " + std::to_string(calls));
    SimFileSystem disk({.seed = seed + at});
    run_and_kill(disk, at);
    if (auto opened = StoreImpl::open(disk, "store", {.threads = 1}, {}); opened.ok()) {
      ASSERT_TRUE((*opened)->close().ok());
    }
    ASSERT_NO_FATAL_FAILURE(expect_survivors_whole(disk, seed + at));
  }
}

// What is added next finds blocks of the killed add known, or a store that was hardly made.
TEST_F(KilledThenPowerLossTest, WhatIsAddedUponItSurvives) {
  constexpr std::uint64_t kMaking = 20;  // calls, and some more
  const std::uint64_t seed = test_seed(12);
  const std::uint64_t calls = write_calls();
  for (std::uint64_t at = 1; at <= calls; at += at < kMaking ? 1 : scaled(2, 1)) {
    // The second process goes on to the end, or is cut by the power itself.
    for (const bool to_the_end : {true, false}) {
      if (to_the_end && at >= kMaking && scaled(0, 1) == 0) continue;
      SCOPED_TRACE("killed at call " + std::to_string(at) + " of " + std::to_string(calls));
      SimFileSystem disk({.seed = seed + at});
      run_and_kill(disk, at);
      if (!to_the_end) disk.crash_at(1 + (seed * 31 + at * 7) % calls);
      static_cast<void>(scenario_.run(disk, "store").ok());
      ASSERT_NO_FATAL_FAILURE(expect_survivors_whole(disk, seed + at));
    }
  }
}

}  // namespace
}  // namespace cairn::testing
