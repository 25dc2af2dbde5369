// SPDX-License-Identifier: Apache-2.0
//
// A process dies by SIGKILL in each of its write-side calls while four threads put values,
// on the real file system: what was acknowledged as synced is there and verifies, what was
// put together is there together or not at all, and of the rest a suffix is lost.
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>

#include "engine/log/segment_files.h"
#include "tests/faults/child_process.h"
#include "tests/faults/log_records.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/put_scenario.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr std::chrono::seconds kPatience(120);
constexpr KillPoint kPoints[] = {KillPoint::before, KillPoint::halfway, KillPoint::after};

using Seconds = std::chrono::duration<double>;

// What reads the log next reads it from the device.
void forget_cached_log(const std::string& store) {
  for (const auto& segment : std::filesystem::directory_iterator(StoreLayout(store).log())) {
    const int file = ::open(segment.path().c_str(), O_RDONLY | O_CLOEXEC);
    static_cast<void>(::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED));
    ::close(file);
  }
}

Result<Seconds> time_to_read_log(FileSystem& fs, const std::string& store) {
  const std::string folder = StoreLayout(store).log();
  std::vector<std::byte> buffer(MiB);
  const auto began = std::chrono::steady_clock::now();
  CAIRN_TRY(const auto segments, list_segments(fs, folder));
  for (const std::uint32_t segment : segments) {
    CAIRN_TRY(const auto file, fs.open(segment_path(folder, segment), {}));
    std::size_t got = 1;
    for (std::uint64_t offset = 0; got > 0; offset += got) {
      CAIRN_TRY(got, file->read_at(offset, buffer));
    }
  }
  return Seconds(std::chrono::steady_clock::now() - began);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// A store of its own, and the processes that die putting values into it.
class PutKills {
 public:
  // How many write-side calls the whole scenario makes, this time.
  std::uint64_t write_calls() {
    const ChildEnd end = run_in_child(
        [&] {
          FaultFileSystem fs(posix_file_system());
          fs.leave_out_syncs();
          const auto outcome = scenario_->run(fs, store());
          return outcome.status.ok() ? std::to_string(fs.write_calls()) : outcome.status.error().message;
        },
        kPatience);
    std::filesystem::remove_all(store());
    return std::strtoull(end.said.c_str(), nullptr, 10);
  }

  // One life and death, and a look at what it left. `go_on`: all of it is put again then.
  // Returns what is wrong, or nothing.
  std::string kill_at(std::uint64_t call, KillPoint point, bool go_on) {
    scenario_->forget_acknowledged();
    const ChildEnd death = run_in_child(
        [&]() -> std::string {
          FaultFileSystem fs(posix_file_system());
          fs.leave_out_syncs();
          fs.kill_at(call, point);
          const auto outcome = scenario_->run(fs, store());
          if (!outcome.broken.empty()) return outcome.broken;
          return outcome.status.ok() ? "" : outcome.status.error().message;
        },
        kPatience);
    if (death.timed_out) return "putting hangs";
    if (!death.said.empty()) return "failed instead of dying: " + death.said;
    const std::size_t acknowledged = scenario_->acknowledged();
    if (death.signal == SIGKILL) {
      ++kills;
      acknowledged_before_death += acknowledged;
    }
    const ChildEnd look = run_in_child([&] { return what_is_wrong(go_on); }, kPatience);
    std::filesystem::remove_all(store());
    if (look.timed_out) return "recovery hangs";
    if (!look.ended_well()) return "recovery dies of signal " + std::to_string(look.signal);
    if (!look.said.empty()) return look.said + "; " + std::to_string(acknowledged) + " puts were acknowledged";
    return {};
  }

  std::size_t kills = 0, acknowledged_before_death = 0;

 private:
  std::string what_is_wrong(bool go_on) {
    FaultFileSystem fs(posix_file_system());
    fs.leave_out_syncs();
    if (std::string wrong = scenario_->what_is_wrong(fs, store()); !wrong.empty()) return "found: " + wrong;
    if (!go_on) return {};
    const auto outcome = scenario_->run(fs, store());
    if (!outcome.status.ok()) return "going on: " + outcome.status.error().message;
    if (!outcome.broken.empty()) return "going on: " + outcome.broken;
    if (std::string wrong = scenario_->what_is_wrong(fs, store()); !wrong.empty()) return "in the end: " + wrong;
    return wrong_in_log(fs, store(), 0, Objects::again_after_a_death);
  }
  std::string store() const { return scratch_ / "store"; }

  ScratchFolder scratch_;
  // In shared memory: a process that dies has no other way to say what it acknowledged.
  Shared<PutScenario> scenario_;
};

// Every `workers`-th step is one process's, which kills others in turn.
struct Share {
  std::atomic<std::size_t> calls = 0, kills = 0, acknowledged_before_death = 0;
};

std::string kill_everywhere(std::size_t worker, std::size_t workers, Share& share) {
  PutKills victim;
  const std::uint64_t calls = victim.write_calls();
  // Quick runs take some calls with one of the three points, in turn.
  const std::size_t step = scaled(4, 1) * workers;
  const std::size_t kills_wanted = scaled(0, 2'000 / workers + 1);
  share.calls = calls;
  for (std::uint64_t round = 0; round == 0 || victim.kills < kills_wanted; ++round) {
    for (std::uint64_t call = 1 + (worker + round) % step; call <= calls; call += step) {
      const std::size_t point = (call / step + round) % std::size(kPoints);
      const std::string wrong = victim.kill_at(call, kPoints[point], call / step % 4 == 0);
      if (!wrong.empty()) {
        return "kill at call " + std::to_string(call) + " of " + std::to_string(calls) + ", point " +
               std::to_string(point) + ": " + wrong;
      }
    }
  }
  share.kills = victim.kills;
  share.acknowledged_before_death = victim.acknowledged_before_death;
  return {};
}

TEST(PutKillTest, NothingAcknowledgedIsLostWhereverTheProcessDies) {
  if (!in_fresh_process()) return;
  constexpr std::size_t kWorkers = 4;
  const Shared<std::array<Share, kWorkers>> shares;
  std::vector<Child> workers;
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    workers.push_back(start_child([&, worker] { return kill_everywhere(worker, kWorkers, (*shares)[worker]); }));
  }
  std::size_t calls = 0, kills = 0, acknowledged = 0;
  for (std::size_t worker = 0; worker < kWorkers; ++worker) {
    const ChildEnd end = end_of(workers[worker], std::chrono::seconds(1'700));
    EXPECT_TRUE(end.ended_well());
    EXPECT_EQ(end.said, "");
    calls += (*shares)[worker].calls;
    kills += (*shares)[worker].kills;
    acknowledged += (*shares)[worker].acknowledged_before_death;
  }
  ASSERT_FALSE(HasFailure());
  EXPECT_GT(calls, kWorkers * 50u);
  EXPECT_GT(kills, scaled(calls / kWorkers / 8, 2'000)) << "calls that were planned to kill must kill";
  EXPECT_GT(acknowledged, kills) << "late kills come after acknowledgements";
  std::printf("%zu kills, 0 acknowledged losses, 0 torn objects\n", kills);
}

// All that the index did not have is found; how long that takes is printed beside the time of
// reading the log.
TEST(PutKillTest, RecoveryFindsWhatTheIndexDidNotHave) {
  if (!in_fresh_process()) return;
  const std::size_t values = scaled(24, 200);  // of a MiB
  const ScratchFolder scratch;
  const std::string store = scratch / "store";
  std::vector<double> opening_ms, ratios;
  struct Times {
    double reading = 0, opening = 0;
    std::uint64_t replayed = 0;
  };
  const Shared<Times> times;
  for (std::size_t round = 0; round < scaled(3, 9); ++round) {
    const ChildEnd death = run_in_child(
        [&]() -> std::string {
          const std::string content = random_bytes(MiB * (values + 1), round);
          if (const Status made = StoreImpl::create(posix_file_system(), store, {}); !made.ok()) {
            return made.error().message;
          }
          Store put = open_store(posix_file_system(), store);
          for (std::size_t i = 0; i < values; ++i) {
            static_cast<void>(put.put_async({.bytes = std::as_bytes(std::span(content)).subspan(i * MiB, MiB)}));
          }
          if (const Status synced = put.sync(); !synced.ok()) return synced.error().message;
          static_cast<void>(std::raise(SIGKILL));
          return {};
        },
        kPatience);
    ASSERT_EQ(death.signal, SIGKILL) << death.said;
    const ChildEnd look = run_in_child(
        [&]() -> std::string {
          forget_cached_log(store);
          const auto reading = time_to_read_log(posix_file_system(), store);
          if (!reading.ok()) return reading.error().message;
          forget_cached_log(store);
          const auto began = std::chrono::steady_clock::now();
          Store found = open_store(posix_file_system(), store);
          *times = {.reading = reading->count(),
                    .opening = Seconds(std::chrono::steady_clock::now() - began).count(),
                    .replayed = found.info().recovery.records_replayed};
          const auto page = found.list();
          return page.ok() && page->objects.size() == values ? "" : "something was lost";
        },
        kPatience);
    ASSERT_TRUE(look.ended_well());
    ASSERT_EQ(look.said, "");
    EXPECT_GT(times->replayed, values);
    opening_ms.push_back(1e3 * times->opening);
    ratios.push_back(times->opening / times->reading);
    std::filesystem::remove_all(store);
  }
  std::printf("reopening over %zu MiB of log takes %.0f ms, %.1f times as long as reading it (medians)\n", values,
              median(opening_ms), median(ratios));
}

}  // namespace
}  // namespace cairn::testing
