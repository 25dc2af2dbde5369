// SPDX-License-Identifier: Apache-2.0
//
// Power lost, or a call failed, at every write-side call of an index's life: what opens
// afterwards is whole, at its last checkpoint or at the one that was interrupted. A crash
// is never mistaken for damage.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <iostream>
#include <thread>

#include "engine/index/index.h"
#include "tests/index/index_samples.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

constexpr std::uint64_t kSteps = 9;
constexpr Loss kLosses[] = {Loss::drop_unsynced, Loss::keep_prefix, Loss::reorder_sectors, Loss::reorder_everything,
                            Loss::keep_all};
const char kPath[] = "index";

class IndexCrash : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    // What an index holds after each number of steps.
    auto index = std::move(*Index::open_in_memory());
    for (std::uint64_t step = 0; step <= kSteps; ++step) {
      after_steps_.push_back(*read_everything(*index));
      ASSERT_CAIRN_OK(index->apply(sample_batch(step)));
    }
  }
  static void TearDownTestSuite() { after_steps_.clear(); }

  // How far the life below came: both count steps.
  struct Progress {
    std::uint64_t durable = 0;    // at the last checkpoint that succeeded
    std::uint64_t attempted = 0;  // at the last one that was begun
  };

  // Opens, applies what is missing with a checkpoint every other step, closes half way
  // (once with steps that no checkpoint covers), and goes on.
  static Status live(FileSystem& fs, Progress& progress) {
    for (const std::uint64_t until : {4, 7, 9}) {
      CAIRN_TRY(const auto index, Index::open(fs, kPath, Index::Access::read_write));
      for (std::uint64_t step = index->applied().offset; step < until; ++step) {
        CAIRN_CHECK(index->apply(sample_batch(step)));
        if (step % 2 == 0) continue;
        progress.attempted = step + 1;
        CAIRN_CHECK(index->checkpoint());
        progress.durable = step + 1;
      }
    }
    return {};
  }

  // The steps that `index` holds, all of them and nothing else.
  static std::uint64_t expect_whole(Index& index) {
    const std::uint64_t steps = index.applied().offset;
    auto all = read_everything(index);
    EXPECT_TRUE(all.ok()) << all.error().message;
    if (steps > kSteps || !all.ok()) {
      ADD_FAILURE() << "at step " << steps;
      return steps;
    }
    EXPECT_TRUE(*all == after_steps_[steps]) << "at step " << steps;
    for (std::uint64_t step = 0; step < kSteps; ++step) {
      const auto seen = index.find_seen("/data/" + std::to_string(step));
      EXPECT_TRUE(seen.ok() && seen->has_value() == (step < steps)) << step << " of " << steps;
    }
    return steps;
  }

  static void expect_recovers(FileSystem& fs, const Progress& progress) {
    for (const auto access : {Index::Access::read_only, Index::Access::read_write}) {
      auto index = Index::open(fs, kPath, access);
      ASSERT_CAIRN_OK(index);
      const std::uint64_t steps = expect_whole(**index);
      EXPECT_TRUE(steps == progress.durable || steps == progress.attempted) << steps;
    }
    Progress rest;
    ASSERT_CAIRN_OK(live(fs, rest));
    auto index = Index::open(fs, kPath, Index::Access::read_only);
    ASSERT_CAIRN_OK(index);
    EXPECT_EQ(expect_whole(**index), kSteps - 1);  // the last step has no checkpoint
  }

  // Runs `fault_strikes` for call 1, 2, 3 ... until there is no such call, or something
  // failed; returns how many there were. RocksDB sleeps for a second after a failed flush,
  // so that the quick scale takes every `stride`-th call only.
  static std::uint64_t at_every_call(std::uint64_t stride, const std::function<bool(std::uint64_t)>& fault_strikes) {
    if (long_scale()) stride = 1;
    std::atomic<std::uint64_t> next{1};
    std::atomic<bool> exhausted{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 12; ++i) {
      threads.emplace_back([&] {
        while (!exhausted && !HasFailure()) {
          const std::uint64_t call = next.fetch_add(stride);
          SCOPED_TRACE("fault at call " + std::to_string(call));
          if (!fault_strikes(call)) exhausted = true;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return (next - 1) / stride;
  }

  static std::vector<Everything> after_steps_;
};

std::vector<Everything> IndexCrash::after_steps_;

TEST_F(IndexCrash, PowerLossAtAnyCallLeavesACheckpoint) {
  const std::uint64_t crashes = at_every_call(3, [](std::uint64_t crash_at) {
    SimFileSystem fs;
    fs.crash_at(crash_at);
    Progress progress;
    const bool crashed = !live(fs, progress).ok() || fs.crashed();
    for (const Loss loss : kLosses) {
      SCOPED_TRACE("loss " + std::to_string(static_cast<int>(loss)) + ", seed " + std::to_string(crash_at));
      expect_recovers(*fs.survivor(crash_at, loss), progress);
    }
    if (HasFailure()) std::cerr << fs.trace();
    return crashed;
  });
  std::printf("about %llu crashes, %zu outcomes each\n", static_cast<unsigned long long>(crashes), std::size(kLosses));
}

TEST_F(IndexCrash, PowerLossWhileRecoveringLeavesACheckpoint) {
  SimFileSystem first;
  Progress progress;
  first.crash_at(60);
  EXPECT_FALSE(live(first, progress).ok());
  bool crashed = true;
  for (std::uint64_t crash_at = 1; crashed; ++crash_at) {
    SCOPED_TRACE("power lost again at write-side call " + std::to_string(crash_at));
    const auto second = first.survivor(1, Loss::reorder_sectors);
    second->crash_at(crash_at);
    // Only opening: a life that goes on is the test above.
    crashed = !Index::open(*second, kPath, Index::Access::read_write).ok() || second->crashed();
    const auto third = second->survivor(crash_at, Loss::reorder_sectors);
    ASSERT_NO_FATAL_FAILURE(expect_recovers(*third, progress));
    ASSERT_FALSE(HasFailure()) << second->trace();
  }
}

TEST_F(IndexCrash, PowerLossWhileDestroyingLeavesAnIndexOrNone) {
  SimFileSystem fs;
  Progress progress;
  ASSERT_CAIRN_OK(live(fs, progress));
  bool crashed = true;
  for (std::uint64_t crash_at = 1; crashed; ++crash_at) {
    SCOPED_TRACE("power lost at write-side call " + std::to_string(crash_at));
    const auto doomed = fs.survivor(1, Loss::drop_unsynced);
    doomed->crash_at(crash_at);
    crashed = !Index::destroy(*doomed, kPath).ok() || doomed->crashed();
    const auto after = doomed->survivor(crash_at, Loss::reorder_sectors);
    auto index = Index::open(*after, kPath, Index::Access::read_write);
    ASSERT_CAIRN_OK(index);
    const std::uint64_t steps = expect_whole(**index);
    EXPECT_TRUE(steps == 0 || steps == progress.durable) << steps;
  }
}

TEST_F(IndexCrash, AnErrorAtAnyCallIsReportedAndLosesNothing) {
  for (const Repeat repeat : {Repeat::once, Repeat::forever}) {
    at_every_call(23, [repeat](std::uint64_t fail_at) {
      SCOPED_TRACE(repeat == Repeat::once ? "once" : "for good");
      SimFileSystem fs;
      fs.fail_any_at(fail_at, Error{.code = ErrorCode::io, .message = "planned"}, repeat);
      Progress progress;
      const Status lived = live(fs, progress);
      const bool fired = fs.fault_fired();
      EXPECT_TRUE(lived.ok() || lived.error().code == ErrorCode::io || lived.error().code == ErrorCode::poisoned)
          << lived.error().message;
      expect_recovers(*fs.survivor(fail_at, Loss::reorder_sectors), progress);
      if (HasFailure()) std::cerr << fs.trace();
      return fired;
    });
  }
}

TEST_F(IndexCrash, AFullDiskIsReportedAndLosesNothing) {
  SimFileSystem fs;
  Progress progress;
  ASSERT_CAIRN_OK(live(fs, progress));
  auto index = Index::open(fs, kPath, Index::Access::read_write);
  ASSERT_CAIRN_OK(index);
  ASSERT_CAIRN_OK((*index)->apply(sample_batch(8)));
  fs.set_capacity(0);
  const Status full = (*index)->checkpoint();
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, ErrorCode::no_space) << full.error().message;
  // Nothing is known of what reached the disk: the index must be reopened.
  const Status again = (*index)->apply(sample_batch(8));
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::poisoned);
  index->reset();
  fs.set_capacity(1 * GiB);
  expect_recovers(fs, progress);
}

}  // namespace
}  // namespace cairn::testing
