// SPDX-License-Identifier: Apache-2.0
//
// Power is cut at every write-side call of a store that reclaims, and every call fails in
// turn: nothing live is lost, nothing dead comes back, and reclaiming goes on afterwards.
#include <cerrno>

#include "tests/support/gc_scenario.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"
#include "tests/support/sweep_step.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";
const Error kEio{.code = ErrorCode::io, .message = "planned EIO", .sys_errno = EIO};
const Error kEnospc{.code = ErrorCode::no_space, .message = "planned ENOSPC", .sys_errno = ENOSPC};

class GcFaultTest : public ::testing::Test {
 protected:
  void SetUp() override { scenario_.prepare(prepared_, kStore); }
  // The prepared store on a disk of its own.
  std::unique_ptr<SimFileSystem> disk(std::uint64_t seed) { return prepared_.survivor(seed, Loss::keep_all); }
  struct Calls {
    std::uint64_t all = 0, writes = 0;
  };
  Calls calls_of_gc() {
    const auto fs = disk(1);
    const std::uint64_t all = fs->calls(), writes = fs->write_calls();
    const Status run = scenario_.run(*fs, kStore);
    EXPECT_TRUE(run.ok()) << run.error().message;
    return {fs->calls() - all, fs->write_calls() - writes};
  }

  GcScenario scenario_;
  SimFileSystem prepared_;
};

TEST_F(GcFaultTest, WithoutAFaultEverythingDeadGoes) {
  const auto fs = disk(1);
  ASSERT_EQ(scenario_.what_is_wrong(*fs, kStore), "");
}

TEST_F(GcFaultTest, ACutAtAnyCallLosesNothing) {
  const std::uint64_t calls = calls_of_gc().writes;
  ASSERT_GT(calls, 20u);
  const std::uint64_t seed = test_seed(61);
  const std::size_t states = scaled(1, 2), step = sweep_step(3, 1);
  std::size_t checked = 0;
  for (std::uint64_t at = 1 + seed % step; at <= calls; at += step) {
    const auto fs = disk(seed + at);
    fs->crash_at(at);
    static_cast<void>(scenario_.run(*fs, kStore).ok());
    for (const Loss loss : kLosses) {
      for (std::size_t i = 0; i < states; ++i) {
        const auto survivor = fs->survivor(seed * 1000 + at + i, loss);
        ASSERT_EQ(scenario_.what_is_wrong(*survivor, kStore), "")
            << "CAIRN_TEST_SEED=" << seed << " cut at call " << at << " of " << calls << ", loss "
            << static_cast<int>(loss) << ", state " << i << "\n"
            << fs->trace();
        ++checked;
      }
    }
  }
  std::printf("%zu states of %lu calls, CAIRN_TEST_SEED=%lu\n", checked, calls, seed);
}

TEST_F(GcFaultTest, CutsOneAfterTheOtherLoseNothing) {
  const std::uint64_t calls = calls_of_gc().writes;
  const std::uint64_t seed = test_seed(62);
  for (std::size_t round = 0; round < scaled(10, 300); ++round) {
    std::mt19937_64 random(seed * 7919 + round);
    const auto fs = disk(random());
    std::string story;
    for (int cut = 0; cut < 4; ++cut) {
      const std::uint64_t at = 1 + random() % calls;
      const Loss loss = kLosses[random() % 4];
      story += " cut at " + std::to_string(at) + " loss " + std::to_string(static_cast<int>(loss)) + ";";
      fs->crash_at(at);
      static_cast<void>(scenario_.run(*fs, kStore).ok());
      fs->power_loss(random(), loss);
    }
    ASSERT_EQ(scenario_.what_is_wrong(*fs, kStore), "")
        << "CAIRN_TEST_SEED=" << seed << " round " << round << ":" << story << "\n"
        << fs->trace();
  }
}

TEST_F(GcFaultTest, AFailureOfAnyCallLosesNothing) {
  const Calls calls = calls_of_gc();
  const std::uint64_t seed = test_seed(63);
  std::size_t runs = 0, told = 0;
  for (const Error& error : {kEio, kEnospc}) {
    for (const Repeat repeat : {Repeat::once, Repeat::forever}) {
      for (const bool any : {true, false}) {
        const std::size_t step = sweep_step(any ? 29 : 11, any ? 3 : 1);
        for (std::uint64_t at = 1 + (seed + runs) % step; at <= (any ? calls.all : calls.writes); at += step) {
          const auto fs = disk(seed + at);
          if (any) {
            fs->fail_any_at(at, error, repeat);
          } else {
            fs->fail_at(at, error, repeat);
          }
          const Status run = scenario_.run(*fs, kStore);
          fs->clear_faults();
          ++runs;
          told += run.ok() ? 0 : 1;
          fs->power_loss(seed + at, repeat == Repeat::once ? Loss::drop_unsynced : Loss::keep_all);
          ASSERT_EQ(scenario_.what_is_wrong(*fs, kStore), "")
              << "CAIRN_TEST_SEED=" << seed << " " << error.message << (any ? " at call " : " at write call ") << at
              << (repeat == Repeat::once ? " once" : " from then on")
              << ", told: " << (run.ok() ? "" : run.error().message) << "\n"
              << fs->trace();
        }
      }
    }
  }
  EXPECT_GT(told, runs / 4);
  std::printf("%zu failures, %zu of them told, CAIRN_TEST_SEED=%lu\n", runs, told, seed);
}

}  // namespace
}  // namespace cairn::testing
