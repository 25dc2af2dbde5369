// SPDX-License-Identifier: Apache-2.0
//
// Every call of a scenario fails in turn, once or from then on, with an I/O error or for
// want of space: a typed error comes back or the work succeeds, and nothing that was
// acknowledged before is harmed.
#include <cerrno>

#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

struct Failure {
  const char* name;
  Error error;
};

class CallFailureTest : public ::testing::TestWithParam<Repeat> {};

TEST_P(CallFailureTest, NoFailedCallHarmsWhatWasAcknowledged) {
  const Failure failures[] = {
      {"EIO", Error{.code = ErrorCode::io, .message = "planned EIO", .sys_errno = EIO}},
      {"ENOSPC", Error{.code = ErrorCode::no_space, .message = "planned ENOSPC", .sys_errno = ENOSPC}},
  };
  StoreScenario scenario;
  const std::uint64_t seed = test_seed(3);
  std::uint64_t calls = 0;
  {
    SimFileSystem fs;
    ASSERT_TRUE(scenario.run(fs, "store").ok());
    calls = fs.calls();
  }
  const std::size_t step = scaled(5, 1);
  std::size_t failed = 0;
  for (const Failure& failure : failures) {
    for (std::uint64_t at = 1 + seed % step; at <= calls; at += step) {
      SimFileSystem fs({.seed = seed + at});
      scenario.forget_acknowledged();
      fs.fail_any_at(at, failure.error, GetParam());
      const Status status = scenario.run(fs, "store");
      failed += status.ok() ? 0 : 1;
      if (!status.ok()) {
        EXPECT_FALSE(status.error().message.empty());
      }
      fs.clear_faults();
      // The process goes away; what its failed syncs lost is gone with the power.
      const Loss loss = GetParam() == Repeat::once ? Loss::drop_unsynced : Loss::keep_all;
      fs.power_loss(seed, loss);
      const std::string wrong = scenario.what_is_wrong(fs, "store");
      ASSERT_TRUE(wrong.empty()) << wrong << "\nCAIRN_TEST_SEED=" << seed << " " << failure.name << " at call " << at
                                 << " of " << calls << "\n"
                                 << fs.trace();
    }
  }
  EXPECT_GT(failed, 10u) << "failing calls must be noticed by somebody";
}

INSTANTIATE_TEST_SUITE_P(Repeats, CallFailureTest, ::testing::Values(Repeat::once, Repeat::forever),
                         [](const auto& test) { return test.param == Repeat::once ? "Once" : "Forever"; });

TEST(DiskFullTest, AFullDiskLosesNothingAndTheAddGoesOnWhenThereIsSpace) {
  StoreScenario scenario;
  const std::size_t fills = scaled(10, 50);
  for (std::size_t i = 0; i < fills; ++i) {
    SimFileSystem fs({.seed = i + 1});
    scenario.forget_acknowledged();
    // The whole scenario needs less than 6 MiB.
    fs.set_capacity(64 * KiB + i * 5 * MiB / fills);
    const Status full = scenario.run(fs, "store");
    if (!full.ok()) {
      EXPECT_EQ(full.error().code, ErrorCode::no_space) << full.error().message << "\n" << fs.trace();
    }
    // A full disk still opens for reading.
    if (scenario.acknowledged() > 0) {
      Store reader = open_store(fs, "store", Access::read_only);
      expect_whole(reader);
    }
    fs.set_capacity(1 * GiB);
    const Status resumed = scenario.run(fs, "store");
    ASSERT_TRUE(resumed.ok()) << resumed.error().message;
    EXPECT_EQ(scenario.acknowledged(), scenario.steps());
    const std::string wrong = scenario.what_is_wrong(fs, "store");
    ASSERT_TRUE(wrong.empty()) << wrong;
  }
}

}  // namespace
}  // namespace cairn::testing
