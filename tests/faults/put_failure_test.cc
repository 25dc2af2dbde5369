// SPDX-License-Identifier: Apache-2.0
//
// Every call fails in turn, once or from then on, while several threads put values: every
// ticket is decided, moved memory is given back once, nothing hangs, and what was
// acknowledged is there when the store is opened again.
#include <atomic>
#include <cerrno>
#include <list>

#include "tests/support/put_scenario.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

const Error kEio{.code = ErrorCode::io, .message = "planned EIO", .sys_errno = EIO};
const Error kEnospc{.code = ErrorCode::no_space, .message = "planned ENOSPC", .sys_errno = ENOSPC};

enum class Which { any_call, write_call };

struct Plan {
  Which which;
  Repeat repeat;
};

class PutFailureTest : public ::testing::TestWithParam<Plan> {};

TEST_P(PutFailureTest, NothingHangsAndNothingAcknowledgedIsLost) {
  const auto [which, repeat] = GetParam();
  PutScenario scenario;
  const std::uint64_t seed = test_seed(3);
  std::uint64_t calls = 0;
  {
    SimFileSystem fs;
    const auto outcome = scenario.run(fs, "store");
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.error().message;
    ASSERT_EQ(outcome.broken, "");
    EXPECT_EQ(scenario.acknowledged(), PutScenario::kThreads * PutScenario::kPutsEach);
    calls = which == Which::any_call ? fs.calls() : fs.write_calls();
    ASSERT_EQ(scenario.what_is_wrong(fs, "store"), "");
  }
  std::size_t runs = 0, failed = 0;
  for (const Error& error : {kEio, kEnospc}) {
    const std::size_t step = scaled(which == Which::any_call ? 13 : 9, 1);
    for (std::uint64_t at = 1 + (seed + runs) % step; at <= calls; at += step) {
      const std::string where = "CAIRN_TEST_SEED=" + std::to_string(seed) + " " + error.message + " at call " +
                                std::to_string(at) + " of " + std::to_string(calls);
      const Watchdog watchdog(where);
      SimFileSystem fs({.seed = seed + at});
      scenario.forget_acknowledged();
      if (which == Which::any_call) {
        fs.fail_any_at(at, error, repeat);
      } else {
        fs.fail_at(at, error, repeat);
      }
      const auto outcome = scenario.run(fs, "store", which == Which::write_call);
      ASSERT_EQ(outcome.broken, "") << where << "\n" << fs.trace();
      ++runs;
      failed += outcome.status.ok() ? 0 : 1;
      if (!outcome.status.ok()) {
        const ErrorCode code = outcome.status.error().code;
        EXPECT_TRUE(code == error.code || code == ErrorCode::poisoned || code == ErrorCode::no_space)
            << where << ": " << outcome.status.error().message;
      }
      fs.clear_faults();
      // The process goes away; what its failed syncs lost is gone with the power.
      fs.power_loss(seed, repeat == Repeat::once ? Loss::drop_unsynced : Loss::keep_all);
      // A failed write or sync of the log ends all writing; a full disk, or a read that fails,
      // may have been bad luck of one value.
      const bool ordered = which == Which::write_call && error.code != ErrorCode::no_space;
      const std::string wrong = scenario.what_is_wrong(fs, "store", ordered);
      ASSERT_EQ(wrong, "") << where << "\n" << fs.trace();
    }
  }
  EXPECT_GT(failed, runs / 4) << "failing calls must be noticed by somebody";
  std::printf("%zu failures, %zu of them told, CAIRN_TEST_SEED=%lu\n", runs, failed, seed);
}

INSTANTIATE_TEST_SUITE_P(Plans, PutFailureTest,
                         ::testing::Values(Plan{Which::any_call, Repeat::once}, Plan{Which::any_call, Repeat::forever},
                                           Plan{Which::write_call, Repeat::once},
                                           Plan{Which::write_call, Repeat::forever}),
                         [](const auto& test) {
                           return std::string(test.param.which == Which::any_call ? "AnyCall" : "WriteCall") +
                                  (test.param.repeat == Repeat::once ? "Once" : "Forever");
                         });

// What hangs in the air when the log's sync fails: nothing of it is acknowledged later, and
// nothing of it is left waiting.
class FailedSyncTest : public ::testing::Test {
 protected:
  struct Value {
    std::string content;
    Handover handover;
    Ticket ticket;
  };

  Store open() {
    auto impl = StoreImpl::open(*fs_, "store", {.threads = 2, .writer = {.budget_bytes = 8 << 20}}, {});
    EXPECT_TRUE(impl.ok()) << impl.error().message;
    return StoreImpl::handle(std::move(impl).value());
  }
  static Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

  // Values of both lanes, handed over in every way, that nobody asks to be written.
  void put_lazily(Store& store) {
    for (std::size_t i = 0; i < 18; ++i) {
      auto& value = values_.emplace_back(
          Value{random_bytes(i % 2 == 0 ? 700 : 200'000, 100 + i), static_cast<Handover>(i % 3), kNothing});
      Put put{.bytes = bytes_of(value.content), .handover = value.handover, .name = std::to_string(i)};
      if (value.handover == Handover::move) put.release = [this] { ++released_; };
      value.ticket = store.put_async(std::move(put), {.durability = Durability::lazy});
    }
  }

  const Ticket kNothing{nullptr};
  const std::string first_ = "was there before";
  std::unique_ptr<SimFileSystem> fs_;
  std::list<Value> values_;
  std::atomic<std::size_t> released_ = 0;
};

TEST_F(FailedSyncTest, EveryTicketFailsTheRestIsRefusedAndReadingGoesOn) {
  constexpr std::chrono::seconds kPatience(30);
  std::size_t failures = 0;
  bool fired = true;
  for (std::uint64_t at = 1; fired; ++at) {
    SCOPED_TRACE("write-side call " + std::to_string(at) + " of the commit fails");
    const Watchdog watchdog("failed sync");
    values_.clear();
    released_ = 0;
    fs_ = std::make_unique<SimFileSystem>();
    ASSERT_TRUE(StoreImpl::create(*fs_, "store", kSmallStore).ok());
    Store store = open();
    const auto before = store.put({.bytes = bytes_of(first_)});
    ASSERT_TRUE(before.ok());
    put_lazily(store);
    EXPECT_EQ(store.writer_stats().pending_puts, values_.size());
    fs_->fail_at(at, kEio, Repeat::once);
    const Status synced = store.sync();
    const bool failed = !synced.ok();
    fired = fs_->fault_fired();
    fs_->clear_faults();
    // A slow machine commits some of them before the rest.
    std::size_t survived = 0;
    for (const Value& value : values_) {
      const auto staged = value.ticket.staged().wait_for(kPatience);
      ASSERT_TRUE(staged.has_value()) << "memory is never given back";
      // Whatever settle() waits for is decided when it returns.
      ASSERT_TRUE(value.ticket.synced().ready() && value.ticket.committed().ready());
      EXPECT_EQ(value.ticket.synced().wait().ok(), value.ticket.committed().wait().ok());
      if (value.ticket.synced().wait().ok()) {
        ++survived;
      } else {
        EXPECT_EQ(value.ticket.synced().wait().error().code, ErrorCode::io);
      }
    }
    EXPECT_EQ(survived < values_.size(), failed);
    EXPECT_EQ(released_, values_.size() / 3);
    EXPECT_EQ(store.writer_stats().pending_puts, 0u);
    EXPECT_EQ(store.writer_stats().failed, values_.size() - survived);
    if (!failed) continue;  // the call did not matter, or there was none
    ++failures;
    EXPECT_EQ(synced.error().code, ErrorCode::poisoned);
    for (const Handover handover : {Handover::copy, Handover::move}) {
      for (const std::size_t bytes : {10, 300'000, 20'000'000}) {
        const std::string late(bytes, 'x');
        const std::size_t released = released_;
        const Ticket ticket =
            store.put_async({.bytes = bytes_of(late), .handover = handover, .release = [&] { ++released_; }});
        const auto told = ticket.synced().wait_for(kPatience);
        ASSERT_TRUE(told.has_value());
        EXPECT_EQ(told->error().code, ErrorCode::poisoned);
        EXPECT_EQ(ticket.id().error().code, ErrorCode::poisoned);
        EXPECT_TRUE(ticket.staged().ready());
        EXPECT_EQ(released_ - released, handover == Handover::move ? 1u : 0u);
      }
    }
    EXPECT_EQ(store.remove(*before).error().code, ErrorCode::poisoned);
    EXPECT_EQ(store.sync().error().code, ErrorCode::poisoned);
    EXPECT_EQ(store.get(*before)->size(), first_.size());
    EXPECT_TRUE(store.list().ok());
    EXPECT_TRUE(store.check({.read_data = true})->damaged.empty());
    EXPECT_EQ(store.close().error().code, ErrorCode::poisoned);
    fs_->power_loss(at, Loss::drop_unsynced);
    Store again = open();
    const auto page = again.list();
    ASSERT_TRUE(page.ok());
    EXPECT_EQ(page->objects.size(), 1 + survived) << "a commit: all of it or nothing";
    expect_whole(again);
  }
  EXPECT_GT(failures, 3u);
  Store store = open();
  const auto page = store.list();
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->objects.size(), values_.size() + 1);
  expect_whole(store);
}

}  // namespace
}  // namespace cairn::testing
