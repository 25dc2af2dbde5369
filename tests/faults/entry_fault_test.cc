// SPDX-License-Identifier: Apache-2.0
//
// Writing entries dies at every write-side call: what was acknowledged is there, what was written
// together is there together or not at all, what is missing is a suffix, and versions go on.
#include <cerrno>

#include "api/src/tables.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/put_scenario.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

// Each write replaces both halves of a pair, under index keys that say which write it was, and
// takes away what the one before added for itself. Now and then the log rolls and is reclaimed.
class EntryScenario {
 public:
  static constexpr std::uint64_t kWrites = 40;

  Status run(FileSystem& fs, const std::string& path) {
    if (Status made = StoreImpl::create(fs, path, kSmallStore);
        !made.ok() && made.error().code != ErrorCode::already_exists) {
      return made;
    }
    CAIRN_TRY(auto impl, StoreImpl::open(fs, path, {.threads = 2, .writer = {.budget_bytes = 8 << 20}}, {}));
    StoreImpl& open = *impl;
    Store store = StoreImpl::handle(std::move(impl));
    CAIRN_TRY(StoreImpl::Tables * tables, open.tables());
    EntryStore& entries = tables->entries;
    CAIRN_TRY(std::uint64_t next, next_of(entries));
    for (; next < kWrites; ++next) {
      const std::string number = std::to_string(next);
      // The last of three is waited for: the others are on their way together.
      CAIRN_TRY(const auto written,
                entries.write({{.key = "left", .value = number, .index_keys = {"i" + number}},
                               {.key = "right", .value = number + std::string(30'000, 'x')},
                               {.key = "of" + number, .value = number},
                               {.key = "of" + (next == 0 ? "x" : std::to_string(next - 1)), .removed = true}}));
      if (written.version <= last_version_) return Error{.code = ErrorCode::corruption, .message = "versions repeat"};
      last_version_ = written.version;
      if (next % 3 != 2) continue;
      CAIRN_CHECK(written.ticket.synced().wait());
      acknowledged_ = next + 1;
      if (next % 12 == 11) {
        CAIRN_TRY(const GcReport report, store.gc({.max_dead = 0}));
        static_cast<void>(report);
      }
    }
    CAIRN_CHECK(store.close());
    acknowledged_ = kWrites;
    return {};
  }

  std::uint64_t acknowledged() const { return acknowledged_; }
  void forget() { acknowledged_ = last_version_ = 0; }

  std::string what_is_wrong(FileSystem& fs, const std::string& path) {
    auto impl = StoreImpl::open(fs, path, {.threads = 2}, {});
    if (!impl.ok()) {
      if (acknowledged_ == 0 && impl.error().code == ErrorCode::no_store) return {};
      return "open: " + impl.error().message;
    }
    for (const std::string& place : (*impl)->info().recovery.damage) return "recovery found damage: " + place;
    StoreImpl& open = **impl;
    Store store = StoreImpl::handle(std::move(impl).value());
    if (std::string wrong = wrong_with_counts(store); !wrong.empty()) return wrong;
    EntryStore& entries = open.tables().value()->entries;
    const auto next = next_of(entries);
    if (!next.ok()) return next.error().message;
    if (*next < acknowledged_) return "write " + std::to_string(acknowledged_ - 1) + " was acknowledged, and is lost";
    if (std::string wrong = wrong_with_index(entries, *next); !wrong.empty()) return wrong;
    const auto more = entries.write({{.key = "more", .value = "1"}});
    if (!more.ok()) return more.error().message;
    if (const auto left = entries.find("left").value(); left && more->version <= left->version) {
      return "a version is not above what is there";
    }
    if (!more->ticket.committed().wait().ok()) return "one more was not committed";
    const Status closed = store.close();
    return closed.ok() ? std::string() : "close: " + closed.error().message;
  }

 private:
  // The number of the first write that is not there.
  static Result<std::uint64_t> next_of(EntryStore& entries) {
    CAIRN_TRY(const auto left, entries.find("left"));
    CAIRN_TRY(const auto right, entries.find("right"));
    const std::uint64_t next = left ? std::stoull(left->value) + 1 : 0;
    const std::uint64_t other = right ? std::stoull(right->value) + 1 : 0;
    if (next == other && (!left || left->version == right->version)) return next;
    return Error{.code = ErrorCode::corruption,
                 .message = "torn: " + std::to_string(next) + " and " + std::to_string(other)};
  }

  static std::string wrong_with_index(EntryStore& entries, std::uint64_t next) {
    std::string found, expected;
    if (next > 0) expected = "i" + std::to_string(next - 1) + "=left of" + std::to_string(next - 1);
    const auto index = [&](std::string_view index_key, std::string_view key) -> Result<bool> {
      found.append(index_key).append("=").append(key);
      return true;
    };
    const auto own = [&](std::string_view key, const Entry&) -> Result<bool> {
      found.append(" ").append(key);
      return true;
    };
    if (!entries.scan_index("i", EntryStore::Order::ascending, {}, index).ok()) return "the index keys cannot be read";
    if (!entries.scan("of", EntryStore::Order::ascending, {}, own).ok()) return "the entries cannot be read";
    return found == expected ? std::string() : "found '" + found + "', not '" + expected + "'";
  }

  std::uint64_t acknowledged_ = 0;  // writes below this are
  std::uint64_t last_version_ = 0;
};

TEST(EntryFaultTest, APowerCutAtAnyCallLosesNothingAcknowledged) {
  EntryScenario scenario;
  const std::uint64_t seed = test_seed(61);
  std::uint64_t calls = 0;
  {
    SimFileSystem fs;
    const Status whole = scenario.run(fs, "store");
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    calls = fs.write_calls();
    ASSERT_EQ(scenario.what_is_wrong(fs, "store"), "");
  }
  std::size_t states = 0, acknowledged = 0;
  for (std::uint64_t crash_at = 1; crash_at <= calls; crash_at += scaled(3, 1)) {
    const Watchdog watchdog("cut at call " + std::to_string(crash_at));
    SimFileSystem fs({.seed = seed + crash_at});
    scenario.forget();
    fs.crash_at(crash_at);
    static_cast<void>(scenario.run(fs, "store").ok());
    acknowledged += scenario.acknowledged();
    for (const Loss loss : {Loss::drop_unsynced, Loss::keep_all}) {
      const auto survivor = fs.survivor(seed * 1000 + crash_at, loss);
      ASSERT_EQ(scenario.what_is_wrong(*survivor, "store"), "")
          << "CAIRN_TEST_SEED=" << seed << " cut at call " << crash_at << " of " << calls << ", loss "
          << static_cast<int>(loss) << "\n"
          << fs.trace();
      ++states;
    }
  }
  EXPECT_GT(acknowledged, 0u);
  std::printf("%zu states of %lu calls, CAIRN_TEST_SEED=%lu\n", states, calls, seed);
}

TEST(EntryFaultTest, AFailureOfAnyCallIsToldAndLosesNothingAcknowledged) {
  EntryScenario scenario;
  const std::uint64_t seed = test_seed(62);
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
        scenario.forget();
        fs.fail_at(at, error, repeat);
        failed += scenario.run(fs, "store").ok() ? 0 : 1;
        ++runs;
        fs.clear_faults();
        fs.power_loss(seed, repeat == Repeat::once ? Loss::drop_unsynced : Loss::keep_all);
        ASSERT_EQ(scenario.what_is_wrong(fs, "store"), "") << where << "\n" << fs.trace();
      }
    }
  }
  EXPECT_GT(failed, runs / 3) << "failing calls must be noticed by somebody";
}

}  // namespace
}  // namespace cairn::testing
