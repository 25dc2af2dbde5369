// SPDX-License-Identifier: Apache-2.0
//
// A process dies by SIGKILL in each of its write-side calls, on the real file system: what
// was acknowledged is there, the rest can be done again, and nothing is written twice.
#include "tests/faults/child_process.h"
#include "tests/faults/log_records.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr std::chrono::seconds kPatience(120);
constexpr KillPoint kPoints[] = {KillPoint::before, KillPoint::halfway, KillPoint::after};

class KillTest : public ::testing::Test {
 protected:
  std::string store() const { return scratch_ / "store"; }

  // How many write-side calls the whole scenario makes.
  std::uint64_t write_calls() {
    const ChildEnd end = run_in_child(
        [&] {
          FaultFileSystem fs(posix_file_system());
          const Status status = scenario_->run(fs, store());
          return status.ok() ? std::to_string(fs.write_calls()) : status.error().message;
        },
        kPatience);
    std::filesystem::remove_all(store());
    EXPECT_TRUE(end.ended_well()) << end.said;
    return std::strtoull(end.said.c_str(), nullptr, 10);
  }

  // Returns whether the process died of it; runs to the end when it makes fewer calls.
  bool kill_at(std::uint64_t call, KillPoint point) {
    const ChildEnd end = run_in_child(
        [&]() -> std::string {
          FaultFileSystem fs(posix_file_system());
          fs.kill_at(call, point);
          const Status status = scenario_->run(fs, store());
          return status.ok() ? "" : status.error().message;
        },
        kPatience);
    EXPECT_TRUE(end.said.empty()) << "failed instead of dying: " << end.said;
    EXPECT_FALSE(end.timed_out);
    return end.signal == SIGKILL;
  }

  // Looks at what the dead process left, does the rest, and looks again.
  std::string what_is_wrong() {
    const ChildEnd end = run_in_child(
        [&]() -> std::string {
          FileSystem& fs = posix_file_system();
          if (std::string wrong = scenario_->what_is_wrong(fs, store()); !wrong.empty()) return "found: " + wrong;
          if (const Status status = scenario_->run(fs, store()); !status.ok()) {
            return "going on: " + status.error().message;
          }
          if (std::string wrong = scenario_->what_is_wrong(fs, store()); !wrong.empty()) return "in the end: " + wrong;
          return wrong_in_log(fs, store(), scenario_->steps(), Objects::again_after_a_death);
        },
        kPatience);
    if (end.timed_out) return "hangs";
    if (!end.ended_well()) return "dies of signal " + std::to_string(end.signal);
    return end.said;
  }

  ScratchFolder scratch_;
  // In shared memory: a process that dies has no other way to say what it acknowledged.
  Shared<StoreScenario> scenario_;
};

TEST_F(KillTest, NothingAcknowledgedIsLostWhereverTheProcessDies) {
  if (!in_fresh_process()) return;
  const std::uint64_t calls = write_calls();
  ASSERT_GT(calls, 50u);
  // Quick runs take every call with one of the three points, in turn.
  const std::size_t points = scaled(1, 3);
  const std::size_t kills_wanted = scaled(0, 2'000);
  std::size_t kills = 0;
  std::size_t last_acknowledged = 0;
  std::uint64_t round = 0;
  do {
    for (std::uint64_t call = 1; call <= calls; ++call) {
      for (std::size_t i = 0; i < points; ++i) {
        const std::size_t point = (call + round + i) % std::size(kPoints);
        SCOPED_TRACE("kill at call " + std::to_string(call) + " of " + std::to_string(calls) + ", point " +
                     std::to_string(point));
        scenario_->forget_acknowledged();
        kills += kill_at(call, kPoints[point]) ? 1 : 0;
        last_acknowledged = scenario_->acknowledged();
        const std::string wrong = what_is_wrong();
        ASSERT_TRUE(wrong.empty()) << wrong << "; " << last_acknowledged << " versions were acknowledged";
        std::filesystem::remove_all(store());
      }
    }
    ++round;
  } while (kills < kills_wanted);
  EXPECT_GT(last_acknowledged, 0u) << "late kills come after acknowledgements";
  EXPECT_GT(kills, calls / 2) << "calls that were planned to kill must kill";
  std::printf("%zu kills at %lu write-side calls, 0 acknowledged losses, 0 torn objects\n", kills, calls);
}

// Dying again and again while recovering and going on.
TEST_F(KillTest, AProcessThatKeepsDyingComesToAnEnd) {
  if (!in_fresh_process()) return;
  const std::uint64_t seed = test_seed(4);
  const std::uint64_t calls = write_calls();
  for (std::size_t round = 0; round < scaled(2, 40); ++round) {
    std::mt19937_64 random(seed * 7919 + round);
    std::string story;
    scenario_->forget_acknowledged();
    std::filesystem::remove_all(store());
    bool died = true;
    // Each life makes at least one more version than the one before, once it lives long enough.
    for (int life = 0; life < 8 && died; ++life) {
      const std::uint64_t at = 1 + random() % calls;
      const std::size_t point = random() % std::size(kPoints);
      story += " call " + std::to_string(at) + " point " + std::to_string(point) + ";";
      died = kill_at(at, kPoints[point]);
    }
    const std::string wrong = what_is_wrong();
    ASSERT_TRUE(wrong.empty()) << wrong << "\nCAIRN_TEST_SEED=" << seed << " round " << round << ":" << story;
  }
}

}  // namespace
}  // namespace cairn::testing
