// SPDX-License-Identifier: Apache-2.0
//
// A process dies by SIGKILL in each of its write-side calls while it reclaims, on the real
// file system: nothing live is lost, and the next one brings it to its end.
#include <chrono>

#include "tests/faults/child_process.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"
#include "tests/support/sweep_step.h"

namespace cairn::testing {
namespace {

constexpr std::chrono::seconds kPatience(120);
constexpr KillPoint kPoints[] = {KillPoint::before, KillPoint::halfway, KillPoint::after};

// The processes that open stores are children: this one only forks.
class GcKillTest : public ::testing::Test {
 protected:
  std::string prepare() {
    const ChildEnd end = run_in_child(
        [&]() -> std::string {
          scenario_.prepare(posix_file_system(), prepared());
          return HasFailure() ? "the store could not be prepared" : "";
        },
        kPatience);
    return end.ended_well() ? end.said : "preparing fails";
  }
  void copy() {
    std::filesystem::remove_all(store());
    std::filesystem::copy(prepared(), store(), std::filesystem::copy_options::recursive);
  }

  std::uint64_t write_calls() {
    copy();
    const ChildEnd end = run_in_child(
        [&] {
          FaultFileSystem fs(posix_file_system());
          fs.leave_out_syncs();
          const Status status = scenario_.run(fs, store());
          return status.ok() ? std::to_string(fs.write_calls()) : status.error().message;
        },
        kPatience);
    EXPECT_TRUE(end.ended_well()) << end.said;
    return std::strtoull(end.said.c_str(), nullptr, 10);
  }

  // Whether the process died of it.
  bool kill_at(std::uint64_t call, KillPoint point) {
    copy();
    const ChildEnd end = run_in_child(
        [&]() -> std::string {
          FaultFileSystem fs(posix_file_system());
          fs.leave_out_syncs();
          fs.kill_at(call, point);
          const Status status = scenario_.run(fs, store());
          return status.ok() ? "" : status.error().message;
        },
        kPatience);
    EXPECT_TRUE(end.said.empty()) << "failed instead of dying: " << end.said;
    EXPECT_FALSE(end.timed_out);
    return end.signal == SIGKILL;
  }

  std::string what_is_wrong() {
    const ChildEnd end = run_in_child(
        [&]() -> std::string {
          // What must be there is learned by making the like of it.
          SimFileSystem like;
          scenario_.prepare(like, "store");
          if (HasFailure()) return "the store could not be prepared";
          FaultFileSystem fs(posix_file_system());
          fs.leave_out_syncs();
          return scenario_.what_is_wrong(fs, store());
        },
        kPatience);
    if (end.timed_out) return "hangs";
    if (!end.ended_well()) return "dies of signal " + std::to_string(end.signal);
    return end.said;
  }

  std::string prepared() const { return scratch_ / "prepared"; }
  std::string store() const { return scratch_ / "store"; }
  ScratchFolder scratch_;
  GcScenario scenario_;
};

TEST_F(GcKillTest, NothingLiveIsLostWhereverTheProcessDies) {
  if (!in_fresh_process()) return;
  ASSERT_EQ(prepare(), "");
  const std::uint64_t calls = write_calls();
  ASSERT_GT(calls, 20u);
  const std::size_t step = sweep_step(4, 1), points = scaled(1, 2);
  std::size_t kills = 0;
  for (std::uint64_t call = 1; call <= calls; call += step) {
    for (std::size_t i = 0; i < points; ++i) {
      const std::size_t point = (call / step + i) % std::size(kPoints);
      kills += kill_at(call, kPoints[point]) ? 1 : 0;
      ASSERT_EQ(what_is_wrong(), "") << "kill at call " << call << " of " << calls << ", point " << point;
    }
  }
  EXPECT_GT(kills, calls / step / 2);
  std::printf("%zu kills at %lu write-side calls, nothing lost\n", kills, calls);
}

}  // namespace
}  // namespace cairn::testing
