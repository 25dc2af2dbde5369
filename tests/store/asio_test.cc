// SPDX-License-Identifier: Apache-2.0
//
// Puts and milestones as asynchronous operations: whatever the completion token, the outcome
// comes once, on the handler's executor.
#include "cairn/asio.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <random>
#include <thread>

#include "engine/base/bytes.h"
#include "tests/support/scratch_folder.h"

namespace cairn::testing {
namespace {

namespace asio = boost::asio;

std::vector<std::byte> random_bytes(std::size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

class AsioTest : public ::testing::Test {
 protected:
  AsioTest() { open(std::chrono::microseconds(0)); }

  // With some linger, puts are written when sync() asks.
  void open(std::chrono::microseconds linger) {
    store_.reset();
    auto opened =
        Store::open(folder_.path().string() + "/store", {.mode = OpenMode::create,
                                                         .create = {.block_bytes = 64 * 1024},
                                                         .writer = {.budget_bytes = 16 << 20, .linger = linger}});
    EXPECT_TRUE(opened.ok());
    store_.emplace(std::move(opened).value());
  }

  ScratchFolder folder_;
  std::optional<Store> store_;
  asio::io_context io_;
};

TEST_F(AsioTest, ACoroutineGetsTheIdAndMayThenReuseBorrowedMemory) {
  bool done = false;
  const auto save = [&]() -> asio::awaitable<void> {
    const std::thread::id here = std::this_thread::get_id();
    std::vector<std::byte> memory = random_bytes(3'000'000, 1);
    const auto original = memory;
    Put put{.bytes = memory, .handover = Handover::borrow, .name = "weight"};
    const Result<std::string> id = co_await async_put(*store_, std::move(put), asio::use_awaitable);
    EXPECT_EQ(std::this_thread::get_id(), here);
    std::fill(memory.begin(), memory.end(), std::byte{0});
    EXPECT_TRUE(id.ok());
    EXPECT_EQ(store_->get(*id).value(), original);
    done = true;
  };
  asio::co_spawn(io_, save(), asio::detached);
  io_.run();  // returns only when nothing is outstanding
  EXPECT_TRUE(done);
}

TEST_F(AsioTest, AFutureGetsTheIdsOfValuesThatWerePutTogether) {
  const auto one = random_bytes(1000, 2), two = random_bytes(200'000, 3);
  std::vector<Put> puts(2);
  puts[0].bytes = one;
  puts[1].bytes = two;
  std::future<Result<std::vector<std::string>>> future = async_put_many(*store_, std::move(puts), asio::use_future);
  const auto ids = future.get();
  ASSERT_TRUE(ids.ok());
  ASSERT_EQ(ids->size(), 2u);
  EXPECT_EQ(store_->get(ids->at(0)).value(), one);
  EXPECT_EQ(store_->get(ids->at(1)).value(), two);
}

TEST_F(AsioTest, ACallbackRunsOnItsExecutorAndNeverInsideTheCall) {
  const auto value = random_bytes(1000, 4);
  int calls = 0;
  const Ticket ticket = store_->put_async({.bytes = value});
  ASSERT_TRUE(ticket.committed().wait().ok());  // ready already
  for (const Milestone& milestone : {ticket.staged(), ticket.synced(), ticket.committed()}) {
    async_wait(milestone, asio::bind_executor(io_, [&, here = std::this_thread::get_id()](const Status& status) {
                 EXPECT_TRUE(status.ok());
                 EXPECT_EQ(std::this_thread::get_id(), here);
                 ++calls;
               }));
  }
  EXPECT_EQ(calls, 0);
  io_.run();
  EXPECT_EQ(calls, 3);
}

TEST_F(AsioTest, HandlersOfAStrandTakeTurns) {
  asio::thread_pool pool(3);
  const auto strand = asio::make_strand(pool);
  const auto value = random_bytes(100, 5);
  std::atomic<int> inside = 0;
  int calls = 0;
  for (int i = 0; i < 200; ++i) {
    Put put{.bytes = value, .name = std::to_string(i)};
    async_put(*store_, std::move(put), asio::bind_executor(strand, [&](const Result<std::string>& id) {
      EXPECT_TRUE(id.ok());
      EXPECT_EQ(++inside, 1);
      ++calls;
      --inside;
    }));
  }
  pool.join();
  EXPECT_EQ(calls, 200);
}

TEST_F(AsioTest, AnInitiationMayBeDeferredAndAHandlerMovedOnly) {
  const auto value = random_bytes(1000, 6);
  auto operation = async_put(*store_, Put{.bytes = value}, asio::deferred);
  EXPECT_EQ(store_->writer_stats().accepted, 0u);
  std::string got;
  std::move(operation)(
      asio::bind_executor(io_, [&, only = std::make_unique<int>(1)](Result<std::string> id) { got = *id; }));
  io_.run();
  EXPECT_EQ(store_->get(got).value(), value);
}

TEST_F(AsioTest, ErrorsAreOutcomesAsAnyOther) {
  const auto value = random_bytes(100, 7);
  const auto outcome_of = [&](const Put& put, const PutOptions& options) {
    auto future = async_put(*store_, put, options, asio::use_future);
    const auto id = future.get();
    return id.ok() ? std::nullopt : std::optional(id.error().code);
  };
  EXPECT_EQ(outcome_of({.bytes = value}, {}), std::nullopt);
  EXPECT_EQ(outcome_of({.bytes = value, .tensor = TensorLayout{.dtype = DType::f32, .shape = {3}}}, {}),
            ErrorCode::invalid_argument);
  // Larger than the budget: refused rather than keeping the thread.
  const auto huge = random_bytes(40 << 20, 8);
  auto refused = async_put(*store_, Put{.bytes = huge}, asio::use_future).get();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::overloaded);
  ASSERT_TRUE(store_->close().ok());
  EXPECT_EQ(outcome_of({.bytes = value}, {}), ErrorCode::invalid_argument);
}

TEST_F(AsioTest, CancellingEndsTheWaitingAndNotThePut) {
  open(std::chrono::minutes(1));
  const auto value = random_bytes(1000, 9);
  const Ticket ticket = store_->put_async({.bytes = value});
  asio::cancellation_signal signal;
  std::vector<ErrorCode> cancelled;
  async_wait(ticket.synced(),
             asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(io_, [&](const Status& s) {
                                            ASSERT_FALSE(s.ok());
                                            cancelled.push_back(s.error().code);
                                          })));
  signal.emit(asio::cancellation_type::total);
  EXPECT_TRUE(cancelled.empty());
  io_.run();
  EXPECT_EQ(cancelled, std::vector{ErrorCode::cancelled});
  signal.emit(asio::cancellation_type::total);  // nobody listens any more
  EXPECT_FALSE(ticket.synced().ready());
  EXPECT_TRUE(store_->sync().ok());
  EXPECT_EQ(store_->get(ticket.id().value()).value(), value);
  io_.restart();
  EXPECT_EQ(io_.run(), 0u);  // and the outcome came once
}

TEST_F(AsioTest, WaitingForALazyPutAsksForIt) {
  const auto value = random_bytes(1000, 12);
  const PutOptions lazy{.durability = Durability::lazy};
  EXPECT_TRUE(async_put(*store_, Put{.bytes = value}, lazy, asio::use_future).get().ok());
  const Ticket ticket = store_->put_async({.bytes = value, .name = "other"}, lazy);
  EXPECT_TRUE(async_wait(ticket.synced(), asio::use_future).get().ok());
}

TEST_F(AsioTest, ATimeoutIsAnAlternative) {
  using namespace asio::experimental::awaitable_operators;
  open(std::chrono::minutes(1));
  const auto value = random_bytes(1000, 10);
  bool done = false;
  const auto wait = [&]() -> asio::awaitable<void> {
    const Ticket ticket = store_->put_async({.bytes = value});
    asio::steady_timer timer(io_, std::chrono::milliseconds(1));
    auto first = co_await (async_wait(ticket.synced(), asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
    EXPECT_EQ(first.index(), 1u);
    EXPECT_TRUE(store_->sync().ok());
    asio::steady_timer late(io_, std::chrono::hours(1));
    auto then = co_await (async_wait(ticket.synced(), asio::use_awaitable) || late.async_wait(asio::use_awaitable));
    EXPECT_EQ(then.index(), 0u);
    done = true;
  };
  asio::co_spawn(io_, wait(), asio::detached);
  io_.run();
  EXPECT_TRUE(done);
}

// What is out; and only one thread may ask.
struct Counts {
  int out = 0, total = 0;
  std::thread::id thread = std::this_thread::get_id();
};
template <class T>
struct CountingAllocator {
  using value_type = T;
  explicit CountingAllocator(Counts* to) : counts(to) {}
  template <class U>
  CountingAllocator(const CountingAllocator<U>& other) : counts(other.counts) {}  // NOLINT
  T* allocate(std::size_t n) {
    EXPECT_EQ(std::this_thread::get_id(), counts->thread);
    ++counts->out;
    ++counts->total;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* memory, std::size_t n) {
    EXPECT_EQ(std::this_thread::get_id(), counts->thread);
    --counts->out;
    std::allocator<T>().deallocate(memory, n);
  }
  bool operator==(const CountingAllocator&) const = default;
  Counts* counts;
};

TEST_F(AsioTest, TheHandlersAllocatorIsUsedOnItsThreadAndIsWholeWhenItRuns) {
  using Allocator = CountingAllocator<void>;
  Counts counts;
  struct Handler {
    using allocator_type = Allocator;
    using executor_type = asio::io_context::executor_type;
    allocator_type get_allocator() const noexcept { return Allocator(counts); }
    executor_type get_executor() const noexcept { return executor; }
    void operator()(const Result<std::string>& id) const {
      EXPECT_TRUE(id.ok());
      EXPECT_EQ(counts->out, 0);
      *called = true;
    }
    Counts* counts;
    executor_type executor;
    bool* called;
  };
  bool called = false;
  const auto value = random_bytes(1000, 11);
  async_put(*store_, Put{.bytes = value}, Handler{&counts, io_.get_executor(), &called});
  io_.run();
  EXPECT_TRUE(called);
  EXPECT_GE(counts.total, 1);
}

}  // namespace
}  // namespace cairn::testing
