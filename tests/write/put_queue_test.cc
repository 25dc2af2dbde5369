// SPDX-License-Identifier: Apache-2.0
//
// The queue between the putters and the writer, with a writer that the test plays: what is
// drawn when, who waits for room, and that nobody waits for ever.
#include "engine/write/put_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "engine/base/errors.h"

namespace cairn {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = 30s;
constexpr std::uint32_t kBlock = 64 * 1024;
// The least there is: 8 MiB for large values, 1 MiB for small ones.
constexpr std::uint64_t kBudget = 8 << 20;
constexpr std::uint64_t kRoom = 8 << 20;

std::vector<std::byte> bytes_of(std::size_t count, unsigned seed) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * 31 + i / 997 + seed);
  return bytes;
}

class PutQueueTest : public ::testing::Test {
 protected:
  using Ticket = std::shared_ptr<TicketState>;

  Ticket push(Put put, const PutOptions& options = {}) {
    std::vector<Put> puts;
    puts.push_back(std::move(put));
    return queue_->push(std::move(puts), options);
  }
  // Lazy, so that the writer is not asked for anything.
  Ticket push_lazily(Put put) { return push(std::move(put), {.durability = Durability::lazy}); }
  template <class Call>
  auto beside(Call call) {
    return std::async(std::launch::async, std::move(call));
  }
  template <class T>
  static bool over(const std::future<T>& future, std::chrono::nanoseconds patience = kPatience) {
    return future.wait_for(patience) == std::future_status::ready;
  }

  // Writes what is there, as AsyncWriter does: draws until there is nothing, then settles
  // what is whole. The order of the names says in which order values were drawn.
  void write_session() {
    std::vector<std::shared_ptr<PutGroup>> written;
    while (auto cut = queue_->next()) {
      PutState& put = *cut->put;
      std::vector<std::byte> block(cut->length);
      if (cut->length > 0 && cut->bytes.empty()) {
        put.layout.gather(put.memory, cut->offset, block);
      } else {
        std::copy(cut->bytes.begin(), cut->bytes.end(), block.begin());
      }
      auto& content = written_[put.name];
      if (cut->offset == 0) content.clear();
      content.insert(content.end(), block.begin(), block.end());
      cut->hold.reset();
      if (!cut->last) continue;
      order_.push_back(put.name);
      if (put.place + 1 == put.group->roots.size()) written.push_back(put.group);
    }
    for (const auto& group : written) queue_->settled(*group, {});
  }
  // A writer that goes on until the queue is closed and empty, or has failed.
  std::future<void> write_all() {
    return beside([this] {
      while (queue_->wait_for_work()) write_session();
    });
  }

  std::unique_ptr<PutQueue> queue_ = std::make_unique<PutQueue>(WriterOptions{.budget_bytes = kBudget}, kBlock);
  std::map<std::string, std::vector<std::byte>> written_;
  std::vector<std::string> order_;
};

TEST_F(PutQueueTest, SmallValuesGoBeforeLargeOnesAndEachLaneInOrder) {
  const auto large = bytes_of(300'000, 1), small = bytes_of(100, 2);
  push({.bytes = large, .name = "L1"});
  push({.bytes = large, .handover = Handover::borrow, .name = "L2"});
  push({.bytes = small, .name = "s1"});
  push({.bytes = small, .handover = Handover::borrow, .name = "s2"});
  ASSERT_TRUE(queue_->wait_for_work());
  EXPECT_EQ(queue_->next()->put->name, "s1");
  EXPECT_EQ(queue_->next()->put->name, "s2");
  for (int block = 0; block < 3; ++block) EXPECT_EQ(queue_->next()->put->name, "L1");
  // In the middle of a large one.
  push({.bytes = small, .name = "s3"});
  EXPECT_EQ(queue_->next()->put->name, "s3");
  for (int block = 3; block < 5; ++block) EXPECT_EQ(queue_->next()->put->name, "L1");
  EXPECT_EQ(queue_->next()->put->name, "L2");
}

TEST_F(PutQueueTest, ASmallValueIsTakenThoughLargeOnesFillTheBudget) {
  const auto large = bytes_of(kRoom, 1), small = bytes_of(1000, 2);
  push({.bytes = large, .handover = Handover::borrow});
  EXPECT_EQ(push({.bytes = large}, {.on_full = OnFull::fail})->wait(TicketState::kSynced).error().code,
            ErrorCode::overloaded);
  EXPECT_FALSE(push({.bytes = small}, {.on_full = OnFull::fail})->ready(TicketState::kSynced));
}

TEST_F(PutQueueTest, AFullBudgetFailsDropsOrBlocksUntilThereIsRoom) {
  const auto large = bytes_of(6'000'000, 1);
  std::atomic<int> released = 0;
  const auto moved = [&] { return Put{.bytes = large, .handover = Handover::move, .release = [&] { ++released; }}; };
  const Ticket first = push_lazily(moved());
  const Ticket failed = push(moved(), {.on_full = OnFull::fail});
  EXPECT_EQ(failed->wait(TicketState::kStaged).error().code, ErrorCode::overloaded);
  EXPECT_TRUE(failed->wait(TicketState::kCommitted).error().retryable);
  const Ticket dropped = push(moved(), {.on_full = OnFull::drop});
  EXPECT_EQ(dropped->wait(TicketState::kSynced).error().code, ErrorCode::overloaded);
  EXPECT_EQ(released, 2);
  EXPECT_EQ(queue_->stats().refused, 1u);
  EXPECT_EQ(queue_->stats().dropped, 1u);
  EXPECT_EQ(queue_->stats().accepted, 1u);
  auto blocked = beside([&] { return push(moved()); });
  EXPECT_FALSE(over(blocked, 20ms));
  // While somebody stands in line, nobody else is let in.
  EXPECT_EQ(push(moved(), {.on_full = OnFull::fail})->wait(TicketState::kSynced).error().code, ErrorCode::overloaded);
  auto writer = write_all();  // the budget needs it, though nobody asks
  ASSERT_TRUE(over(blocked));
  EXPECT_TRUE(first->wait_for(TicketState::kCommitted, kPatience)->ok());
  EXPECT_TRUE(first->wait_for(TicketState::kStaged, kPatience)->ok());
  EXPECT_TRUE(blocked.get()->wait_for(TicketState::kCommitted, kPatience)->ok());
  queue_->close();
  ASSERT_TRUE(over(writer));
  EXPECT_EQ(released, 5);
  EXPECT_EQ(queue_->stats().committed, 2u);
  EXPECT_EQ(queue_->stats().staged, 2u);
  EXPECT_EQ(queue_->stats().pending_bytes, 0u);
}

// Values that nobody asks for fill the budget, whatever their sizes: whoever is refused comes
// again, and finds room in the end.
TEST_F(PutQueueTest, ARefusedPutMakesTheWriterMakeRoom) {
  queue_ = std::make_unique<PutQueue>(WriterOptions{.budget_bytes = kBudget, .small_bytes = 1000}, kBlock);
  const auto value = bytes_of(2000, 1);  // takes a whole block of the budget
  auto writer = write_all();
  Ticket last;
  do {
    last = push(Put{.bytes = value}, {.on_full = OnFull::fail, .durability = Durability::lazy});
  } while (!last->ready(TicketState::kSynced));
  ASSERT_GE(queue_->stats().refused, 1u);
  const auto deadline = Clock::now() + 10s;
  while (queue_->stats().pending_puts > 0 && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(queue_->stats().pending_puts, 0u) << "nothing is written, and nothing ever will be";
  EXPECT_FALSE(push(Put{.bytes = value}, {.on_full = OnFull::fail, .durability = Durability::lazy})
                   ->ready(TicketState::kSynced));
  queue_->close();
  ASSERT_TRUE(over(writer));
}

// A few elements of a large array take as much of the budget as they have bytes.
TEST_F(PutQueueTest, AViewOfALargeArrayTakesItsOwnBytesOfTheBudget) {
  const auto array = bytes_of(16 << 20, 1);
  const TensorLayout column{.dtype = DType::u8, .shape = {16}, .strides = {1 << 20}};
  for (int i = 0; i < 3; ++i) {
    const Ticket ticket = push({.bytes = array, .tensor = column, .handover = Handover::borrow, .name = "column"},
                               {.on_full = OnFull::fail, .durability = Durability::lazy});
    EXPECT_FALSE(ticket->ready(TicketState::kSynced));
  }
  queue_->hurry();
  ASSERT_TRUE(queue_->wait_for_work());
  write_session();
  EXPECT_EQ(written_["column"].at(1), array[1 << 20]);
}

TEST_F(PutQueueTest, WhatIsWrittenMakesRoomAndIsFreeNoSooner) {
  const auto large = bytes_of(6'000'000, 1);
  for (const Handover handover : {Handover::copy, Handover::borrow, Handover::move, Handover::copy}) {
    const Ticket ticket = push({.bytes = large, .handover = handover}, {.on_full = OnFull::fail});
    ASSERT_FALSE(ticket->ready(TicketState::kSynced)) << "no room, though all is written";
    EXPECT_EQ(ticket->ready(TicketState::kStaged), handover == Handover::copy);
    ASSERT_TRUE(queue_->wait_for_work());
    {
      const std::optional<PutQueue::Cut> held = queue_->next();
      EXPECT_EQ(ticket->ready(TicketState::kStaged), handover == Handover::copy);
    }
    write_session();
    EXPECT_TRUE(ticket->ready(TicketState::kStaged));
    EXPECT_TRUE(ticket->ready(TicketState::kCommitted));
  }
}

TEST_F(PutQueueTest, LazyPutsWaitUntilSomebodyAsks) {
  const auto small = bytes_of(100, 1), large = bytes_of(200'000, 2);
  using Ask = std::function<void(const Ticket&)>;
  const std::vector<std::pair<const char*, Ask>> asks = {
      {"another put", [&](const Ticket&) { push({.bytes = small}); }},
      {"settle()", [&](const Ticket&) { queue_->hurry(); }},
      {"a ticket", [&](const Ticket& ticket) { EXPECT_FALSE(ticket->wait_for(TicketState::kSynced, 1ns)); }},
      {"close()", [&](const Ticket&) { queue_->close(); }},
  };
  for (const auto& [name, ask] : asks) {
    SCOPED_TRACE(name);
    order_.clear();
    push_lazily({.bytes = large, .name = "large"});
    const Ticket ticket = push_lazily({.bytes = small, .name = "small"});
    auto work = beside([&] { return queue_->wait_for_work(); });
    EXPECT_FALSE(over(work, 20ms));
    ask(ticket);
    ASSERT_TRUE(over(work));
    EXPECT_TRUE(work.get());
    write_session();
    EXPECT_TRUE(ticket->wait(TicketState::kCommitted).ok());
    EXPECT_EQ(queue_->stats().pending_puts, 0u);
  }
}

TEST_F(PutQueueTest, MoreThanHalfTheBudgetIsWrittenUnasked) {
  const auto large = bytes_of(kBudget / 2 + 1, 1);
  auto work = beside([&] { return queue_->wait_for_work(); });
  push_lazily({.bytes = large});
  EXPECT_TRUE(over(work));
}

TEST_F(PutQueueTest, GroupedPutsWaitForOthersAsLongAsTheyMay) {
  constexpr auto kLinger = 100ms;
  const auto small = bytes_of(100, 1);
  queue_ = std::make_unique<PutQueue>(WriterOptions{.budget_bytes = kBudget, .linger = kLinger}, kBlock);
  const auto began = Clock::now();
  push({.bytes = small, .name = "a"});
  auto work = beside([&] { return queue_->wait_for_work(); });
  EXPECT_FALSE(over(work, kLinger / 4));
  push({.bytes = small, .name = "b"});
  ASSERT_TRUE(over(work));
  EXPECT_GE(Clock::now() - began, kLinger);
  write_session();
  EXPECT_EQ(order_, (std::vector<std::string>{"a", "b"}));
  // Not when somebody asks.
  queue_ = std::make_unique<PutQueue>(WriterOptions{.budget_bytes = kBudget, .linger = 1h}, kBlock);
  push({.bytes = small});
  queue_->hurry();
  auto asked = beside([&] { return queue_->wait_for_work(); });
  EXPECT_TRUE(over(asked));
}

TEST_F(PutQueueTest, TwoCopiesLargerThanTheBudgetComeThroughBesideOthers) {
  const auto one = bytes_of(20 << 20, 1), two = bytes_of(21 << 20, 2), three = bytes_of(500'000, 3);
  auto writer = write_all();
  auto a = beside([&] { return push({.bytes = one, .name = "one"}); });
  auto b = beside([&] { return push({.bytes = two, .name = "two"}); });
  auto c = beside([&] { return push({.bytes = two, .handover = Handover::borrow, .name = "borrowed"}); });
  auto d = beside([&] {
    for (int i = 0; i < 20; ++i) push({.bytes = three, .name = "many" + std::to_string(i)});
    return push({.bytes = three, .name = "three"});
  });
  for (auto* putter : {&a, &b, &c, &d}) {
    ASSERT_TRUE(over(*putter)) << "a deadlock";
    EXPECT_TRUE(putter->get()->wait_for(TicketState::kCommitted, kPatience)->ok());
  }
  queue_->close();
  ASSERT_TRUE(over(writer));
  EXPECT_EQ(written_["one"], one);
  EXPECT_EQ(written_["two"], two);
  EXPECT_EQ(written_["borrowed"], two);
  EXPECT_EQ(written_["three"], three);
  EXPECT_EQ(queue_->stats().staged, 24u);
  EXPECT_EQ(queue_->stats().pending_bytes, 0u);
}

TEST_F(PutQueueTest, AGroupOfEveryKindOfMemoryLargerThanTheBudgetComesThrough) {
  const auto large = bytes_of(9 << 20, 1), tiny = bytes_of(10, 2);
  std::atomic<int> released = 0;
  auto writer = write_all();
  std::vector<Put> puts;
  puts.push_back({.bytes = large, .name = "copied"});
  puts.push_back({.bytes = large, .handover = Handover::borrow, .name = "borrowed"});
  puts.push_back({.bytes = tiny, .name = "tiny"});
  puts.push_back({.bytes = large, .handover = Handover::move, .release = [&] { ++released; }, .name = "moved"});
  puts.push_back({.bytes = {}, .name = "empty"});
  auto putter = beside([&] { return queue_->push(std::move(puts), {}); });
  ASSERT_TRUE(over(putter)) << "a deadlock";
  const Ticket ticket = putter.get();
  EXPECT_TRUE(ticket->wait_for(TicketState::kCommitted, kPatience)->ok());
  EXPECT_TRUE(ticket->wait_for(TicketState::kStaged, kPatience)->ok());
  EXPECT_EQ(released, 1);
  queue_->close();
  ASSERT_TRUE(over(writer));
  EXPECT_EQ(order_, (std::vector<std::string>{"copied", "borrowed", "tiny", "moved", "empty"}));
  EXPECT_EQ(written_["moved"], large);
}

TEST_F(PutQueueTest, AFailureReachesEverybodyAndFreesEverything) {
  const Error failure = make_error(ErrorCode::io, "planned"), later = make_error(ErrorCode::poisoned, "over");
  const auto large = bytes_of(6'000'000, 1), huge = bytes_of(20 << 20, 2), small = bytes_of(10, 3);
  std::atomic<int> released = 0;
  const auto moved = [&](Bytes bytes) {
    return Put{.bytes = bytes, .handover = Handover::move, .release = [&] { ++released; }};
  };
  const Ticket copied = push_lazily({.bytes = large}), pending = push_lazily(moved(small));
  auto half = beside([&] { return push(moved(huge)); });  // accepted without room; others wait behind it
  while (queue_->stats().accepted < 3) std::this_thread::yield();
  auto blocked = beside([&] { return push({.bytes = large}); });
  auto settled = beside([&] { return queue_->settle(); });
  // The writer has a part of it in its hands.
  ASSERT_TRUE(queue_->wait_for_work());
  std::optional<PutQueue::Cut> held = queue_->next();
  EXPECT_FALSE(over(half, 20ms));
  queue_->fail(failure, later);
  ASSERT_TRUE(over(half) && over(blocked) && over(settled));
  EXPECT_EQ(settled.get().error().code, ErrorCode::poisoned);
  for (const Ticket& ticket : {copied, pending, half.get()}) {
    ASSERT_TRUE(ticket->ready(TicketState::kSynced));
    EXPECT_EQ(ticket->wait(TicketState::kCommitted).error().code, ErrorCode::io);
  }
  EXPECT_EQ(blocked.get()->wait_for(TicketState::kSynced, kPatience)->error().code, ErrorCode::poisoned);
  // What the writer still reads is not free; then it is.
  EXPECT_EQ(held->put->group->ticket, pending);
  EXPECT_FALSE(pending->ready(TicketState::kStaged));
  EXPECT_EQ(released, 1);
  held.reset();
  EXPECT_TRUE(pending->wait_for(TicketState::kStaged, kPatience)->ok());
  EXPECT_EQ(released, 2);
  EXPECT_TRUE(copied->ready(TicketState::kStaged));
  EXPECT_FALSE(queue_->wait_for_work());
  EXPECT_EQ(push(moved(small))->wait(TicketState::kStaged).error().code, ErrorCode::poisoned);
  EXPECT_EQ(released, 3);
  EXPECT_EQ(queue_->settle().error().code, ErrorCode::poisoned);
  EXPECT_EQ(queue_->stats().pending_puts + queue_->stats().pending_bytes, 0u);
}

TEST_F(PutQueueTest, WhoSettlesFindsEveryTicketDecided) {
  const auto small = bytes_of(10, 1);
  const Ticket first = push_lazily({.bytes = small}), second = push_lazily({.bytes = small});
  std::future<bool> settled;
  // While the first is being told, the second is not yet.
  first->on_ready(TicketState::kCommitted, [&](const Status&) {
    settled = beside([&] {
      static_cast<void>(queue_->settle().ok());
      return second->ready(TicketState::kCommitted);
    });
    EXPECT_FALSE(over(settled, 50ms));
  });
  queue_->fail(make_error(ErrorCode::io, "planned"), make_error(ErrorCode::poisoned, "over"));
  ASSERT_TRUE(over(settled));
  EXPECT_TRUE(settled.get());
}

TEST_F(PutQueueTest, WhatIsClosedTakesNothingAndWritesWhatItHas) {
  const auto small = bytes_of(10, 1);
  const Ticket before = push_lazily({.bytes = small});
  queue_->close();
  const Ticket after = push({.bytes = small});
  EXPECT_EQ(after->wait(TicketState::kSynced).error().code, ErrorCode::invalid_argument);
  auto writer = write_all();
  ASSERT_TRUE(over(writer));
  EXPECT_TRUE(before->wait(TicketState::kCommitted).ok());
}

TEST_F(PutQueueTest, WhatIsNotWellFormedIsRefusedWholeAndReleased) {
  const auto small = bytes_of(10, 1);
  int released = 0;
  const auto group = [&](Put bad) {
    std::vector<Put> puts;
    puts.push_back({.bytes = small, .handover = Handover::move, .release = [&] { ++released; }});
    puts.push_back(std::move(bad));
    return queue_->push(std::move(puts), {})->wait(TicketState::kSynced).error().code;
  };
  EXPECT_EQ(group({.bytes = small, .tensor = TensorLayout{.dtype = DType::f32, .shape = {3}}}),
            ErrorCode::invalid_argument);
  EXPECT_EQ(group({.bytes = small, .name = std::string(2 << 20, 'x')}), ErrorCode::invalid_argument);
  EXPECT_EQ(released, 2);
  EXPECT_EQ(queue_->push({}, {})->wait(TicketState::kSynced).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(queue_->stats().accepted, 0u);
}

TEST_F(PutQueueTest, TicketsAndMemoryOutliveTheQueue) {
  const auto large = bytes_of(100'000, 1);
  const Ticket ticket = push_lazily({.bytes = large});
  queue_->hurry();
  ASSERT_TRUE(queue_->wait_for_work());
  std::optional<PutQueue::Cut> held = queue_->next();
  queue_.reset();
  EXPECT_EQ(held->bytes[5], large[5]);
  EXPECT_FALSE(ticket->wait_for(TicketState::kSynced, 1ns).has_value());
}

}  // namespace
}  // namespace cairn
