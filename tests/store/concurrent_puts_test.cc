// SPDX-License-Identifier: Apache-2.0
//
// Values that many threads put at once, beside other calls, a close, or a fork: everything is
// stored once and counted exactly, and nobody waits for ever.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

#include "tests/store/objects_fixture.h"

namespace cairn::testing {
namespace {

using ConcurrentPutsTest = ObjectsTest;

TEST_F(ConcurrentPutsTest, ManyThreadsPutTheSameAndDifferentContentOnce) {
  constexpr unsigned kThreads = 64, kValues = 6;
  const auto shared = random_bytes(300'000, 10);
  std::vector<std::thread> threads;
  std::atomic<unsigned> committed = 0;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < kValues; ++i) {
        const auto own = random_bytes(20'000, 1000 + t * kValues + i);
        const auto one = store_.put({.bytes = shared}), two = store_.put({.bytes = own});
        committed += one.ok() && two.ok() && *one == blob_id(shared) && *two == blob_id(own) ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(committed, kThreads * kValues);
  const StoreStats stats = store_.stats().value();
  EXPECT_EQ(stats.blocks, kThreads * kValues + 5);
  EXPECT_EQ(stats.unique_bytes, kThreads * kValues * 20'000 + 300'000);
  const WriterStats writer = store_.writer_stats();
  EXPECT_EQ(writer.accepted, 2 * kThreads * kValues);
  EXPECT_EQ(writer.committed, 2 * kThreads * kValues);
  EXPECT_EQ(writer.new_bytes, stats.unique_bytes);
  EXPECT_EQ(writer.pending_puts, 0u);
}

// As above, without waiting in between, in groups, and as tensors beside blobs.
TEST_F(ConcurrentPutsTest, ManyThreadsInFlightStoreEverythingOnceAndAreCountedExactly) {
  constexpr unsigned kThreads = 64, kGroups = 4;
  const auto shared = random_bytes(300'000, 20), small = random_bytes(500, 21);
  const TensorLayout flat{.dtype = DType::u8, .shape = {shared.size()}};
  std::vector<std::vector<std::byte>> own;
  for (unsigned i = 0; i < kThreads * kGroups; ++i) own.push_back(random_bytes(70'000, 2000 + i));
  std::atomic<unsigned> released = 0, committed = 0;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::vector<Ticket> tickets;
      for (unsigned g = 0; g < kGroups; ++g) {
        std::vector<Put> puts;
        puts.push_back({.bytes = own[t * kGroups + g], .handover = Handover::borrow, .name = std::to_string(t)});
        puts.push_back({.bytes = shared,
                        .tensor = g % 2 == 0 ? std::optional(flat) : std::nullopt,
                        .handover = Handover::move,
                        .release = [&] { ++released; }});
        tickets.push_back(store_.put_many_async(std::move(puts)));
        tickets.push_back(store_.put_async({.bytes = small, .name = "small"}));
        tickets.back().committed().on_ready([&](const Status& status) { committed += status.ok() ? 1 : 0; });
      }
      for (const Ticket& ticket : tickets) EXPECT_TRUE(ticket.committed().wait().ok());
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(store_.sync().ok());
  EXPECT_EQ(released, kThreads * kGroups);
  EXPECT_EQ(committed, kThreads * kGroups);
  const std::uint64_t distinct = kThreads * kGroups * 70'000 + shared.size() + small.size();
  const WriterStats writer = store_.writer_stats();
  EXPECT_EQ(writer.accepted, 2u * kThreads * kGroups);
  EXPECT_EQ(writer.staged, writer.accepted);
  EXPECT_EQ(writer.synced, writer.accepted);
  EXPECT_EQ(writer.committed, writer.accepted);
  EXPECT_EQ(writer.accepted_bytes, kThreads * kGroups * (70'000 + shared.size() + small.size()));
  EXPECT_EQ(writer.failed + writer.refused + writer.dropped + writer.pending_puts + writer.pending_bytes, 0u);
  EXPECT_EQ(writer.new_bytes, distinct);
  EXPECT_LT(writer.log_bytes, distinct + distinct / 4) << "one copy of each in the log";
  for (int turn = 0; turn < 2; ++turn) {
    const StoreStats stats = store_.stats().value();
    EXPECT_EQ(stats.objects, kThreads * kGroups + 3) << "each thread's own, the shared one as a blob and as a tensor, "
                                                        "and the small one";
    EXPECT_EQ(stats.object_bytes, distinct + shared.size());
    EXPECT_EQ(stats.blocks, kThreads * kGroups * 2 + 5 + 1);
    EXPECT_EQ(stats.tensors, 1u);
    EXPECT_EQ(stats.unique_bytes, distinct);
    EXPECT_LE(stats.stored_bytes, distinct) << "random bytes are stored as they are, once";
    EXPECT_TRUE(store_.check({.read_data = true}).value().damaged.empty());
    reopen();
  }
}

TEST_F(ConcurrentPutsTest, ClosingWhileOthersPutDecidesEveryTicket) {
  for (unsigned round = 0; round < 3; ++round) {
    std::atomic<unsigned> told = 0, handed_over = 0, released = 0;
    std::mutex mutex;
    std::vector<std::string> committed;  // guarded by mutex
    std::vector<std::thread> putters;
    for (unsigned t = 0; t < 4; ++t) {
      putters.emplace_back([&, t] {
        for (unsigned i = 0;; ++i) {
          // Larger than half of the budget: somebody always waits for room.
          const auto value = random_bytes(t % 2 == 0 ? 9 << 20 : 400, round * 1000 + t * 100 + i);
          ++handed_over;
          const Ticket ticket =
              store_.put_async({.bytes = value, .handover = Handover::move, .release = [&] { ++released; }},
                               {.durability = t == 3 ? Durability::lazy : Durability::grouped});
          const auto status = ticket.committed().wait_for(std::chrono::seconds(60));
          ASSERT_TRUE(status.has_value()) << "a ticket is never decided";
          ASSERT_TRUE(ticket.staged().wait_for(std::chrono::seconds(60)).has_value());
          if (!status->ok()) {
            EXPECT_EQ(status->error().code, ErrorCode::invalid_argument) << status->error().message;
            ++told;
            return;
          }
          const std::lock_guard lock(mutex);
          committed.push_back(ticket.id().value());
        }
      });
    }
    while (store_.writer_stats().committed < 6) std::this_thread::yield();
    EXPECT_TRUE(store_.close().ok());
    for (auto& putter : putters) putter.join();
    EXPECT_EQ(told, putters.size());
    EXPECT_EQ(released, handed_over);
    store_ = open({});
    for (const std::string& id : committed) EXPECT_TRUE(store_.get(id).ok());
  }
}

TEST_F(ConcurrentPutsTest, PutsAndArchivesTakeTurns) {
  const std::string file = folder_.path().string() + "/input";
  std::atomic<bool> done = false;
  std::thread putter([&] {
    for (unsigned i = 0; !done; ++i) {
      const auto value = random_bytes(200'000, 5000 + i);
      EXPECT_TRUE(store_.put_async({.bytes = value}).committed().wait().ok());
    }
  });
  for (unsigned i = 0; i < 10; ++i) {
    std::filesystem::remove(file);
    const auto content = random_bytes(400'000, 9000 + i);
    std::FILE* out = std::fopen(file.c_str(), "wb");
    ASSERT_EQ(std::fwrite(content.data(), 1, content.size(), out), content.size());
    std::fclose(out);
    EXPECT_TRUE(store_.archive().add({file}, {.name = "x"}).ok());
  }
  done = true;
  putter.join();
  EXPECT_TRUE(store_.check({.read_data = true}).value().damaged.empty());
}

TEST_F(ConcurrentPutsTest, AStreamThatNeverPausesIsCommittedOnTheWay) {
  // Known content, of which nothing is written: no number of bytes makes a commit due.
  const std::vector<std::byte> known = random_bytes(1 << 20, 1);
  ASSERT_TRUE(store_.put({.bytes = known}).ok());
  std::atomic<bool> over = false;
  std::vector<std::thread> streams;
  for (int t = 0; t < 4; ++t) {
    streams.emplace_back([&] {
      while (!over) store_.put_async({.bytes = known, .handover = Handover::move, .release = [] {}});
    });
  }
  const auto waited = store_.put_async({.bytes = random_bytes(1 << 20, 2)}).synced().wait_for(std::chrono::seconds(60));
  over = true;
  for (std::thread& stream : streams) stream.join();
  ASSERT_TRUE(store_.sync().ok());  // until then `known` is read
  ASSERT_TRUE(waited.has_value());
  EXPECT_TRUE(waited->ok());
}

TEST_F(ConcurrentPutsTest, PutsHaveTheirTurnHoweverManyOtherCallsWrite) {
  const std::string file = folder_.path().string() + "/file";
  std::ofstream(file) << "content";
  std::atomic<bool> over = false;
  std::vector<std::thread> others;
  for (int t = 0; t < 2; ++t) {
    others.emplace_back([&, name = "name" + std::to_string(t)] {
      while (!over) EXPECT_TRUE(store_.archive().add({file}, {.name = name}).ok());
    });
  }
  std::vector<std::optional<Status>> waited;
  for (unsigned n = 0; n < 5; ++n) {
    const Ticket ticket = store_.put_async({.bytes = random_bytes(100'000, n)});
    waited.push_back(ticket.committed().wait_for(std::chrono::seconds(60)));
  }
  over = true;
  for (std::thread& other : others) other.join();
  for (const auto& status : waited) EXPECT_TRUE(status.has_value() && status->ok());
}

TEST_F(ConcurrentPutsTest, AForkedChildIsToldAndNothingHangs) {
  const auto value = random_bytes(1000, 11);
  ASSERT_TRUE(store_.put({.bytes = value}).ok());
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // a child that hangs is killed, and fails
    const auto put = store_.put({.bytes = value});
    const auto get = store_.get(blob_id(value));
    const bool told = !put.ok() && put.error().code == ErrorCode::invalid_argument && !get.ok() &&
                      !store_.close().ok() && !store_.archive().add({"/etc/hostname"}, {}).ok() &&
                      !store_.check({.read_data = true}).ok() &&
                      store_.archive().find_tensor(blob_id(value), "").error().code == ErrorCode::invalid_argument;
    { const Store gone = std::move(store_); }
    ::_exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(store_.get(blob_id(value)).value(), value);
}

}  // namespace
}  // namespace cairn::testing
