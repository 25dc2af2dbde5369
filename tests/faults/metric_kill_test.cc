// SPDX-License-Identifier: Apache-2.0
//
// A process that logs metrics from four threads dies by SIGKILL, at a random row of one of them or
// in a random write-side call: of what each thread logged to a run a prefix is there, in order and
// in whole rows, and in it all that a flush acknowledged, whichever thread called it.
#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "cairn/metrics.h"
#include "engine/base/errors.h"
#include "tests/faults/child_process.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/put_scenario.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr std::chrono::seconds kPatience(120);
constexpr KillPoint kPoints[] = {KillPoint::before, KillPoint::halfway, KillPoint::after};
constexpr std::size_t kThreads = 4, kRuns = 2, kLines = kThreads * kRuns;  // a line: of a thread in a run
constexpr std::size_t kRowsMax = 4'000;                                    // of a line in one life

// When a process dies: in a write-side call from where it begins to log, or when a line has `rows` rows.
struct Death {
  std::uint64_t call = 0;  // 0: none
  KillPoint point = KillPoint::before;
  std::size_t line = 0, rows = kRowsMax;
  std::size_t flush_every = 0;  // rows of a line
  bool patient = false;         // nothing is written but what is flushed
};

Death random_death(std::mt19937_64& random) {
  Death death{.line = random() % kLines, .flush_every = 20 + random() % 200, .patient = random() % 2 == 0};
  if (random() % 2 == 0) {
    death.call = 1 + random() % 60;
    death.point = kPoints[random() % std::size(kPoints)];
  } else {
    death.rows = random() % 600;
  }
  return death;
}

// In shared memory: a process that dies has no other way to say what it logged.
struct Logged {
  std::array<std::atomic<std::uint64_t>, kLines> rows = {}, acknowledged = {};
};

void raise_to(std::atomic<std::uint64_t>& number, std::uint64_t at_least) {
  for (std::uint64_t now = number; now < at_least && !number.compare_exchange_weak(now, at_least);) continue;
}

// A store that one process after the other logs to.
class Lives {
 public:
  // Looks at what the life before left, goes on from there, and says what is wrong unless it dies.
  std::string live(const Death& death) {
    FaultFileSystem fs(posix_file_system());
    fs.leave_out_syncs();
    // Small, so that rings are full, blocks are many, and some are joined.
    StoreOptions options{.threads = 1, .writer = {.budget_bytes = 8 << 20}};
    options.metrics.flush_rows = death.patient ? 100'000 : 30;
    options.metrics.flush_interval = death.patient ? kPatience : std::chrono::milliseconds(20);
    options.metrics.ring_values = 256;
    const Status made = StoreImpl::create(fs, store(), kSmallStore);
    if (!made.ok() && made.error().code != ErrorCode::already_exists) return made.error().message;
    auto opened = StoreImpl::open(fs, store(), options, {});
    if (!opened.ok()) return "opening: " + opened.error().message;
    Store store = StoreImpl::handle(std::move(*opened));
    auto metrics = store.metrics();
    if (!metrics.ok()) return metrics.error().message;
    if (std::string wrong = look(*metrics); !wrong.empty()) return wrong;
    if (death.call > 0) fs.kill_at(death.call, death.point);
    std::array<std::string, kThreads> wrong;
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] { wrong[t] = log(*metrics, t, death); });
    }
    for (std::thread& thread : threads) thread.join();
    return "it does not die: " + wrong[death.line / kRuns];
  }

  std::string look_at_the_end() {
    auto opened = StoreImpl::open(posix_file_system(), store(), {.access = Access::read_only}, {});
    if (!opened.ok()) return "opening: " + opened.error().message;
    Store store = StoreImpl::handle(std::move(*opened));
    auto metrics = store.metrics();
    return metrics.ok() ? look(*metrics) : metrics.error().message;
  }

  std::uint64_t acknowledged() const {
    std::uint64_t sum = 0;
    for (const auto& rows : logged_->acknowledged) sum += rows;
    return sum;
  }

 private:
  static std::string run_name(std::size_t line) { return "run" + std::to_string(line % kRuns); }
  static std::string series_name(std::size_t line) { return "thread" + std::to_string(line / kRuns); }
  static std::string twice_name(std::size_t line) { return series_name(line) + ".twice"; }

  // Row i of a line has step i, i, and 2 i: whole, and in this order, as nobody has sorted them since.
  static Status look_at(const MetricRow& row, std::size_t run, std::array<std::uint64_t, kLines>& there) {
    for (std::size_t line = run; line < kLines; line += kRuns) {
      if (row.values.empty() || row.values[0].name != series_name(line)) continue;
      const auto i = static_cast<std::int64_t>(there[line]++);
      const bool is_right = row.step == i && row.values.size() == 2 && row.values[1].name == twice_name(line) &&
                            row.values[0].value.integer() == i && row.values[1].value.integer() == 2 * i;
      if (is_right) return {};
      return make_error(ErrorCode::corruption, series_name(line) + " in " + run_name(run) + ": row " +
                                                   std::to_string(i) + " is another, or torn");
    }
    return make_error(ErrorCode::corruption, run_name(run) + ": a row of nobody");
  }

  // Leaves in logged_ how many are there.
  std::string look(Metrics& metrics) {
    std::array<std::uint64_t, kLines> there = {};
    for (std::size_t run = 0; run < kRuns; ++run) {
      MetricCursor cursor;
      const auto visit = [&](const MetricRow& row) { return look_at(row, run, there); };
      const Status walked = metrics.rows(run_name(run), cursor, visit);
      if (!walked.ok() && walked.error().code != ErrorCode::not_found) return walked.error().message;
    }
    for (std::size_t line = 0; line < kLines; ++line) {
      const std::string where = series_name(line) + " in " + run_name(line) + ": ";
      const std::uint64_t rows = there[line];
      const std::uint64_t acknowledged = logged_->acknowledged[line];
      if (rows < acknowledged || rows > logged_->rows[line] + 1) {
        return where + std::to_string(rows) + " rows are there of " + std::to_string(logged_->rows[line]) + ", and " +
               std::to_string(acknowledged) + " were acknowledged";
      }
      logged_->rows[line] = rows;
    }
    return {};
  }

  std::string log(Metrics& metrics, std::size_t thread, const Death& death) {
    std::vector<MetricRun> runs;
    for (std::size_t line = thread * kRuns; line < (thread + 1) * kRuns; ++line) {
      auto run = metrics.run(run_name(line));
      if (!run.ok()) return run.error().message;
      runs.push_back(std::move(*run));
    }
    const std::string name = series_name(thread * kRuns), twice = twice_name(thread * kRuns);
    for (std::size_t i = 1;; ++i) {
      for (std::size_t run = 0; run < kRuns; ++run) {
        const std::size_t line = thread * kRuns + run;
        const std::uint64_t row = logged_->rows[line];
        if (line == death.line && i > death.rows) static_cast<void>(std::raise(SIGKILL));
        const Status put = runs[run].log(static_cast<std::int64_t>(row), {{name, row}, {twice, 2 * row}});
        if (!put.ok()) return put.error().message;
        logged_->rows[line] = row + 1;
      }
      if ((i + 7 * thread) % death.flush_every != 0) continue;
      std::array<std::uint64_t, kLines> before;
      for (std::size_t line = 0; line < kLines; ++line) before[line] = logged_->rows[line];
      const Status flushed = metrics.flush();
      if (!flushed.ok()) return flushed.error().message;
      for (std::size_t line = 0; line < kLines; ++line) raise_to(logged_->acknowledged[line], before[line]);
    }
  }

  std::string store() const { return scratch_ / "store"; }

  ScratchFolder scratch_;
  Shared<Logged> logged_;
};

TEST(MetricKillTest, APrefixOfEachThreadIsThereWithAllThatWasAcknowledged) {
  if (!in_fresh_process()) return;
  const std::uint64_t seed = test_seed(11);
  SCOPED_TRACE("CAIRN_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::size_t kills = 0;
  std::uint64_t acknowledged = 0;
  for (std::size_t store = 0; store < scaled(2, 60); ++store) {
    Lives lives;
    for (int life = 0; life < 6; ++life, ++kills) {
      const Death death = random_death(random);
      const ChildEnd end = run_in_child([&] { return lives.live(death); }, kPatience);
      ASSERT_EQ(end.signal, SIGKILL) << "life " << life << " of store " << store << ": " << end.said;
      ASSERT_FALSE(end.timed_out);
    }
    const ChildEnd look = run_in_child([&] { return lives.look_at_the_end(); }, kPatience);
    ASSERT_TRUE(look.ended_well());
    ASSERT_EQ(look.said, "") << "store " << store;
    acknowledged += lives.acknowledged();
  }
  EXPECT_GT(acknowledged, 10 * kills) << "deaths come after acknowledgements";
  std::printf("%zu kills, %lu rows acknowledged, none lost\n", kills, acknowledged);
}

}  // namespace
}  // namespace cairn::testing
