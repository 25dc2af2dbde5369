// SPDX-License-Identifier: Apache-2.0
//
// Saving dies at every write-side call, by power loss or SIGKILL: the generations that were
// acknowledged are there whole, another one is there whole or not at all, and what the
// retention may have removed is gone only when something newer has been committed.
#include <cerrno>

#include "cairn/checkpoints.h"
#include "tests/faults/child_process.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/put_scenario.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr std::uint64_t kGenerations = 6;
constexpr std::uint64_t kKept = 2;

Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// Of each generation: a tensor that changes, one that stays, an opaque part.
class SaveScenario {
 public:
  // Saves the generations that are not there yet. Returns what stopped it, or ok.
  Status run(FileSystem& fs, const std::string& path) {
    if (Status made = StoreImpl::create(fs, path, kSmallStore);
        !made.ok() && made.error().code != ErrorCode::already_exists) {
      return made;
    }
    CAIRN_TRY(auto impl, StoreImpl::open(fs, path, {.threads = 2, .writer = {.budget_bytes = 8 << 20}}, {}));
    Store store = StoreImpl::handle(std::move(impl));
    Checkpoints checkpoints = store.checkpoints("run");
    CAIRN_TRY(const auto latest, checkpoints.latest());
    for (std::uint64_t g = latest ? latest->generation + 1 : 0; g < kGenerations; ++g) {
      const std::string changing = changing_of(g), part = part_of(g);
      const TensorLayout layout{.dtype = DType::bf16, .shape = {changing.size() / 2}};
      SaveOptions options{.retention = {.keep_last = kKept}};
      options.results = results_of(g);
      const Ticket ticket = checkpoints.save(g,
                                             {{.bytes = bytes_of(changing), .tensor = layout, .name = "changing"},
                                              {.bytes = bytes_of(staying_), .name = "staying"},
                                              {.bytes = bytes_of(part), .name = "part"}},
                                             options);
      CAIRN_CHECK(ticket.committed().wait());
      acknowledged_ = g + 1;
    }
    acknowledged_ = kGenerations;
    return store.close();
  }

  std::uint64_t acknowledged() const { return acknowledged_; }  // generations below this are
  void forget_acknowledged() { acknowledged_ = 0; }

  // What is wrong with what a fault left, or nothing.
  std::string what_is_wrong(FileSystem& fs, const std::string& path) {
    auto impl = StoreImpl::open(fs, path, {.threads = 2}, {});
    if (!impl.ok()) {
      if (acknowledged_ == 0 && impl.error().code == ErrorCode::no_store) return {};
      return "open: " + impl.error().message;
    }
    for (const std::string& place : (*impl)->info().recovery.damage) return "recovery found damage: " + place;
    Store store = StoreImpl::handle(std::move(impl).value());
    const auto check = store.check({.read_data = true});
    if (!check.ok()) return "check: " + check.error().message;
    for (const Damage& damage : check->damaged) return "check found: " + damage.what;
    Checkpoints checkpoints = store.checkpoints("run");
    const auto page = checkpoints.list();
    if (!page.ok()) return "list: " + page.error().message;
    std::uint64_t next = 0;  // behind the last one that is there
    for (const CheckpointInfo& info : page->checkpoints) {
      next = info.generation + 1;
      if (std::string wrong = wrong_with(checkpoints, info.generation); !wrong.empty()) return wrong;
    }
    if (next < acknowledged_)
      return "generation " + std::to_string(acknowledged_ - 1) + " was acknowledged, and is lost";
    if (next > acknowledged_ + 1) return "generation " + std::to_string(next - 1) + " was never saved";
    // Before a new one is committed nothing goes; before it is acknowledged, what it replaces may.
    const std::uint64_t least = std::min(next, kKept);
    if (page->checkpoints.size() < least || page->checkpoints.size() > kKept + 1) {
      return std::to_string(page->checkpoints.size()) + " generations are there";
    }
    for (std::uint64_t back = 1; back <= least; ++back) {
      if (!checkpoints.info(next - back).ok()) return "generation " + std::to_string(next - back) + " went too early";
    }
    if (std::string wrong = wrong_results(store.results("run"), next); !wrong.empty()) return wrong;
    const Status closed = store.close();
    return closed.ok() ? std::string() : "close: " + closed.error().message;
  }

 private:
  static std::string changing_of(std::uint64_t g) { return bf16_weights(60'000, g); }
  static std::string part_of(std::uint64_t g) { return random_bytes(3'000, g); }

  // One of its own, and one that each takes from the one before.
  static std::vector<CheckpointResult> results_of(std::uint64_t g) {
    const ResultValue value = ResultValue::json(std::to_string(g));
    return {{.name_space = "run", .key = "loss of " + std::to_string(g), .value = value, .options = {.if_version = 0}},
            {.name_space = "run", .key = "newest", .value = value}};
  }
  // Generations below `next` were saved, and no others.
  static std::string wrong_results(Results results, std::uint64_t next) {
    for (std::uint64_t g = 0; g < kGenerations; ++g) {
      const auto has = results.has("loss of " + std::to_string(g));
      if (!has.ok()) return "result: " + has.error().message;
      if (*has != (g < next)) return "generation " + std::to_string(g) + " and its result are not one commit";
    }
    const auto newest = results.get("newest");
    if (!newest.ok()) return "result: " + newest.error().message;
    const std::string text = *newest ? std::string((*newest)->text()) : "none";
    if (text == (next == 0 ? "none" : std::to_string(next - 1))) return {};
    return "the newest result is " + text + " beside " + std::to_string(next) + " generations";
  }

  std::string wrong_with(Checkpoints& checkpoints, std::uint64_t g) const {
    const auto loaded = checkpoints.load(g);
    const std::string name = "generation " + std::to_string(g);
    if (!loaded.ok()) return name + ": " + loaded.error().message;
    if (loaded->size() != 3) return name + " is torn";
    const std::string expected[] = {changing_of(g), part_of(g), staying_};
    for (std::size_t i = 0; i < 3; ++i) {
      if (as_text((*loaded)[i].bytes) != expected[i]) return name + ": " + (*loaded)[i].info.name + " is another";
    }
    return {};
  }

  const std::string staying_ = random_bytes(150'000, 99);
  std::uint64_t acknowledged_ = 0;
};

TEST(CheckpointFaultTest, APowerCutAtAnyCallLeavesWholeGenerations) {
  SaveScenario scenario;
  const std::uint64_t seed = test_seed(21);
  std::uint64_t calls = 0;
  {
    SimFileSystem fs;
    ASSERT_TRUE(scenario.run(fs, "store").ok());
    calls = fs.write_calls();
    ASSERT_EQ(scenario.what_is_wrong(fs, "store"), "");
  }
  std::size_t states = 0, acknowledged = 0;
  for (std::uint64_t crash_at = 1; crash_at <= calls; crash_at += scaled(3, 1)) {
    const Watchdog watchdog("cut at call " + std::to_string(crash_at));
    SimFileSystem fs({.seed = seed + crash_at});
    scenario.forget_acknowledged();
    fs.crash_at(crash_at);
    static_cast<void>(scenario.run(fs, "store").ok());
    acknowledged += scenario.acknowledged();
    for (const Loss loss : {Loss::drop_unsynced, Loss::keep_all}) {
      for (std::size_t i = 0; i < scaled(1, 4); ++i) {
        const auto survivor = fs.survivor(seed * 1000 + crash_at + i, loss);
        ASSERT_EQ(scenario.what_is_wrong(*survivor, "store"), "")
            << "CAIRN_TEST_SEED=" << seed << " cut at call " << crash_at << " of " << calls << ", loss "
            << static_cast<int>(loss) << "\n"
            << fs.trace();
        ++states;
      }
    }
  }
  EXPECT_GT(acknowledged, 0u);
  std::printf("%zu states of %lu calls, CAIRN_TEST_SEED=%lu\n", states, calls, seed);
}

TEST(CheckpointFaultTest, AFailureOfAnyCallLeavesWholeGenerations) {
  SaveScenario scenario;
  const std::uint64_t seed = test_seed(22);
  std::uint64_t calls = 0;
  {
    SimFileSystem fs;
    ASSERT_TRUE(scenario.run(fs, "store").ok());
    calls = fs.write_calls();
  }
  const Error errors[] = {{.code = ErrorCode::io, .message = "planned EIO", .sys_errno = EIO},
                          {.code = ErrorCode::no_space, .message = "planned ENOSPC", .sys_errno = ENOSPC}};
  std::size_t runs = 0, failed = 0;
  for (const Error& error : errors) {
    for (const Repeat repeat : {Repeat::once, Repeat::forever}) {
      for (std::uint64_t at = 1 + runs % 3; at <= calls; at += scaled(5, 1)) {
        const std::string where = "CAIRN_TEST_SEED=" + std::to_string(seed) + " " + error.message + " at call " +
                                  std::to_string(at) + " of " + std::to_string(calls);
        const Watchdog watchdog(where);
        SimFileSystem fs({.seed = seed + at});
        scenario.forget_acknowledged();
        fs.fail_at(at, error, repeat);
        failed += scenario.run(fs, "store").ok() ? 0 : 1;
        ++runs;
        fs.clear_faults();
        fs.power_loss(seed, repeat == Repeat::once ? Loss::drop_unsynced : Loss::keep_all);
        ASSERT_EQ(scenario.what_is_wrong(fs, "store"), "") << where << "\n" << fs.trace();
      }
    }
  }
  EXPECT_GT(failed, runs / 2) << "failing calls must be noticed by somebody";
}

TEST(CheckpointFaultTest, AKillAtAnyCallLeavesWholeGenerationsAndSavingGoesOn) {
  if (!in_fresh_process()) return;
  constexpr std::chrono::seconds kPatience(100);
  const ScratchFolder scratch;
  const std::string store = scratch / "store";
  const Shared<SaveScenario> scenario;
  const auto live = [&](std::uint64_t kill_at, KillPoint point) {
    return run_in_child(
        [&]() -> std::string {
          FaultFileSystem fs(posix_file_system());
          fs.leave_out_syncs();
          if (kill_at > 0) fs.kill_at(kill_at, point);
          const Status status = scenario->run(fs, store);
          return status.ok() ? std::to_string(fs.write_calls()) : "failed: " + status.error().message;
        },
        kPatience);
  };
  const std::uint64_t calls = std::strtoull(live(0, KillPoint::before).said.c_str(), nullptr, 10);
  ASSERT_GT(calls, 20u);
  std::size_t kills = 0;
  constexpr KillPoint kPoints[] = {KillPoint::before, KillPoint::halfway, KillPoint::after};
  for (std::uint64_t call = 1; call <= calls; call += scaled(3, 1)) {
    std::filesystem::remove_all(store);
    scenario->forget_acknowledged();
    const ChildEnd death = live(call, kPoints[call % 3]);
    kills += death.signal == SIGKILL ? 1 : 0;
    const auto look = [&] {
      return run_in_child(
          [&]() -> std::string {
            FaultFileSystem fs(posix_file_system());
            fs.leave_out_syncs();
            return scenario->what_is_wrong(fs, store);
          },
          kPatience);
    };
    const ChildEnd found = look();
    ASSERT_TRUE(found.ended_well());
    ASSERT_EQ(found.said, "") << "kill at call " << call << " of " << calls;
    ASSERT_FALSE(live(0, KillPoint::before).said.starts_with("failed")) << "going on after call " << call;
    ASSERT_EQ(look().said, "") << "in the end, kill at call " << call;
    ASSERT_EQ(scenario->acknowledged(), kGenerations);
  }
  EXPECT_GT(kills, calls / scaled(3, 1) / 2);
  std::printf("%zu kills, 0 torn generations\n", kills);
}

}  // namespace
}  // namespace cairn::testing
