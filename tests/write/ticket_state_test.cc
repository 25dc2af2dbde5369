// SPDX-License-Identifier: Apache-2.0
#include "engine/write/ticket_state.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "engine/base/errors.h"

namespace cairn {
namespace {

using namespace std::chrono_literals;
using Step = TicketState::Step;

const Error kFailure = make_error(ErrorCode::io, "planned");

TEST(TicketStateTest, StepsComeOneByOne) {
  TicketState ticket;
  for (unsigned step = 0; step < TicketState::kSteps; ++step) EXPECT_FALSE(ticket.ready(step));
  ticket.reach(TicketState::kStaged);
  EXPECT_TRUE(ticket.ready(TicketState::kStaged));
  EXPECT_FALSE(ticket.ready(TicketState::kSynced));
  EXPECT_TRUE(ticket.wait(TicketState::kStaged).ok());
  ticket.identify({"a", "b"});
  EXPECT_TRUE(ticket.wait(TicketState::kIdentified).ok());
  EXPECT_EQ(ticket.ids(), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(ticket.ready(TicketState::kCommitted));
}

TEST(TicketStateTest, TheFirstDecides) {
  TicketState ticket;
  ticket.reach(TicketState::kSynced);
  ticket.fail(kFailure, false);
  EXPECT_TRUE(ticket.wait(TicketState::kSynced).ok());
  EXPECT_EQ(ticket.wait(TicketState::kCommitted).error().code, ErrorCode::io);
  EXPECT_EQ(ticket.wait(TicketState::kIdentified).error().message, "planned");
  ticket.reach(TicketState::kCommitted);
  ticket.identify({"late"});
  ticket.fail(make_error(ErrorCode::no_space, "another"), false);
  EXPECT_EQ(ticket.wait(TicketState::kCommitted).error().code, ErrorCode::io);
  EXPECT_TRUE(ticket.ids().empty());
}

TEST(TicketStateTest, MemoryThatIsStillReadIsNotFreeBecauseThePutFailed) {
  TicketState ticket;
  ticket.fail(kFailure, true);
  EXPECT_TRUE(ticket.ready(TicketState::kSynced));
  EXPECT_FALSE(ticket.ready(TicketState::kStaged));
  EXPECT_FALSE(ticket.wait_for(TicketState::kStaged, 1ms).has_value());
  ticket.reach(TicketState::kStaged);
  EXPECT_TRUE(ticket.wait(TicketState::kStaged).ok()) << "the memory is free, whatever became of the put";
}

TEST(TicketStateTest, WaitingEndsWhenTheStepComesOrTheTimeIsOver) {
  TicketState ticket;
  EXPECT_FALSE(ticket.wait_for(TicketState::kSynced, 0ns).has_value());
  const auto began = std::chrono::steady_clock::now();
  EXPECT_FALSE(ticket.wait_for(TicketState::kSynced, 20ms).has_value());
  EXPECT_GE(std::chrono::steady_clock::now() - began, 20ms);
  const auto waiter = [&](Step step) {
    return std::async(std::launch::async, [&, step] { return ticket.wait(step); });
  };
  auto synced = waiter(TicketState::kSynced), committed = waiter(TicketState::kCommitted);
  // As long as there is: not the same as no time.
  auto patient = std::async(std::launch::async,
                            [&] { return ticket.wait_for(TicketState::kCommitted, std::chrono::nanoseconds::max()); });
  EXPECT_EQ(synced.wait_for(20ms), std::future_status::timeout);
  EXPECT_EQ(patient.wait_for(0ms), std::future_status::timeout);
  ticket.reach(TicketState::kSynced);
  ASSERT_EQ(synced.wait_for(30s), std::future_status::ready);
  EXPECT_TRUE(synced.get().ok());
  EXPECT_EQ(committed.wait_for(0ms), std::future_status::timeout);
  ticket.fail(kFailure, false);
  ASSERT_EQ(committed.wait_for(30s), std::future_status::ready);
  EXPECT_EQ(committed.get().error().code, ErrorCode::io);
  ASSERT_EQ(patient.wait_for(30s), std::future_status::ready);
  EXPECT_EQ(patient.get()->error().code, ErrorCode::io);
}

TEST(TicketStateTest, CallbacksComeOnceForTheirStep) {
  TicketState ticket;
  std::string story;
  const auto note = [&](std::string what) {
    return [&, what](const Status& status) { story += what + (status.ok() ? "+" : "-"); };
  };
  ticket.on_ready(TicketState::kSynced, note("a"));
  ticket.on_ready(TicketState::kCommitted, note("b"));
  ticket.on_ready(TicketState::kSynced, note("c"));
  EXPECT_EQ(story, "");
  ticket.reach(TicketState::kSynced);
  EXPECT_EQ(story, "a+c+");
  ticket.on_ready(TicketState::kSynced, note("d"));
  EXPECT_EQ(story, "a+c+d+") << "at once when it has come";
  ticket.reach(TicketState::kSynced);
  ticket.fail(kFailure, false);
  EXPECT_EQ(story, "a+c+d+b-");
  ticket.on_ready(TicketState::kCommitted, note("e"));
  ticket.reach(TicketState::kCommitted);
  EXPECT_EQ(story, "a+c+d+b-e-");
}

TEST(TicketStateTest, ACallbackMayAskTheTicketAnything) {
  TicketState ticket;
  bool asked = false;
  ticket.on_ready(TicketState::kSynced, [&](const Status&) {
    EXPECT_TRUE(ticket.wait(TicketState::kSynced).ok());
    EXPECT_FALSE(ticket.ready(TicketState::kCommitted));
    EXPECT_TRUE(ticket.ids().empty());
    ticket.on_ready(TicketState::kSynced, [&](const Status&) { asked = true; });
  });
  ticket.reach(TicketState::kSynced);
  EXPECT_TRUE(asked);
}

TEST(TicketStateTest, WhoBeginsToWaitAsksForHaste) {
  int asked = 0;
  TicketState ticket([&] { ++asked; });
  EXPECT_FALSE(ticket.ready(TicketState::kSynced));
  ticket.on_ready(TicketState::kSynced, [](const Status&) {});
  EXPECT_EQ(asked, 0);
  EXPECT_FALSE(ticket.wait_for(TicketState::kSynced, 0ns).has_value());
  EXPECT_EQ(asked, 1);
  ticket.reach(TicketState::kSynced);
  EXPECT_TRUE(ticket.wait(TicketState::kSynced).ok());
  EXPECT_EQ(asked, 1) << "not for what has come";
}

TEST(TicketStateTest, WhoeverDecidesAndWhoeverAsksEveryCallbackComesOnce) {
  for (int round = 0; round < 300; ++round) {
    TicketState ticket;
    std::atomic<int> good = 0, bad = 0;
    const auto count = [&](const Status& status) { ++(status.ok() ? good : bad); };
    std::thread reaches([&] { ticket.reach(TicketState::kSynced); });
    std::thread fails([&] { ticket.fail(kFailure, false); });
    std::thread asks([&] {
      for (int i = 0; i < 10; ++i) ticket.on_ready(TicketState::kSynced, count);
    });
    const bool ok = ticket.wait(TicketState::kSynced).ok();
    reaches.join();
    fails.join();
    asks.join();
    ASSERT_EQ(good, ok ? 10 : 0);
    ASSERT_EQ(bad, ok ? 0 : 10);
  }
}

}  // namespace
}  // namespace cairn
