// SPDX-License-Identifier: Apache-2.0
//
// Operations with many threads: each is computed once, and all who wait are woken.
#include <barrier>
#include <future>
#include <stdexcept>
#include <thread>

#include "tests/results/operations_fixture.h"

namespace cairn {
namespace {

using Value = Result<OperationValue>;

class GetOrComputeTest : public OperationsTest {
 protected:
  // A computation that says when it has begun, and ends when it is told to.
  struct Started {
    std::promise<void> computing, go_on;
    std::shared_future<void> may_go_on{go_on.get_future()};
    Value operator()(OperationValue value) {
      computing.set_value();
      may_go_on.wait();
      return value;
    }
  };
};

TEST_F(GetOrComputeTest, SixtyFourThreadsComputeEachKeyOnce) {
  constexpr int kThreads = 64, kRounds = 1'000;
  std::vector<std::atomic<int>> computed(kRounds);
  std::atomic<int> wrong = 0;
  std::barrier round(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        round.arrive_and_wait();
        const std::string number = std::to_string(i);
        const Value value = table_.get_or_compute("k" + number, [&]() -> Value {
          ++computed[i];
          return OperationValue{.bytes = number};
        });
        if (text(value) != number) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kRounds; ++i) ASSERT_EQ(computed[i], 1) << i;
  EXPECT_EQ(wrong, 0);
}

TEST_F(GetOrComputeTest, AValueOutlivesItsProcess) {
  EXPECT_EQ(text(table_.get_or_compute("k", [] { return OperationValue{.bytes = "v", .serializer = "json"}; })), "v");
  OperationTable next(store_, options(kOther));
  const Value again = next.get_or_compute("k", []() -> Value {
    ADD_FAILURE() << "it is computed again";
    return OperationValue{};
  });
  EXPECT_EQ(text(again), "v");
  EXPECT_EQ(again->serializer, "json");
}

TEST_F(GetOrComputeTest, AnErrorReachesAllWhoWaitAndTheNextComputesAgain) {
  Started started;
  std::thread computing([&] {
    const Value value = table_.get_or_compute("k", [&]() -> Value {
      (void)started({});
      return Error{.code = ErrorCode::no_space, .message = "disk full"};
    });
    EXPECT_EQ(value.error().code, ErrorCode::no_space);
  });
  started.computing.get_future().wait();
  std::vector<std::thread> waiting;
  for (int i = 0; i < 8; ++i) {
    waiting.emplace_back([&, i] {
      if (i % 2 == 0) {
        const OperationInfo info = table_.wait("k").value();
        EXPECT_EQ(info.state, OperationState::failed);
        EXPECT_EQ(info.message, "disk full");
      } else {
        const Value value = table_.get_or_compute("k", [] { return OperationValue{.bytes = "once more"}; });
        EXPECT_EQ(text(value), "error: disk full");
        EXPECT_EQ(value.error().code, ErrorCode::no_space);
      }
    });
  }
  while (table_.waiting() < 8) std::this_thread::yield();
  started.go_on.set_value();
  computing.join();
  for (std::thread& thread : waiting) thread.join();
  EXPECT_EQ(table_.find("k").value().message, "disk full");
  EXPECT_EQ(table_.find("k").value().attempts, 1u);
  EXPECT_EQ(text(table_.get_or_compute("k", [] { return OperationValue{.bytes = "v"}; })), "v");
}

TEST_F(GetOrComputeTest, WhatIsThrownBecomesAnError) {
  const auto error = [&](const OperationTable::Compute& compute) {
    return table_.get_or_compute("k", compute).error();
  };
  const Error standard = error([]() -> Value { throw std::runtime_error("out of luck"); });
  EXPECT_EQ(standard.code, ErrorCode::cancelled);
  EXPECT_NE(standard.message.find("out of luck"), std::string::npos);
  EXPECT_EQ(state("k"), OperationState::failed);
  EXPECT_EQ(error([]() -> Value { throw std::bad_alloc(); }).code, ErrorCode::resource_exhausted);
  EXPECT_EQ(error([]() -> Value { throw 7; }).code, ErrorCode::cancelled);
  EXPECT_EQ(table_.find("k").value().attempts, 3u);
}

TEST_F(GetOrComputeTest, AValueThatCannotBeKeptIsAnErrorForAll) {
  const Value large = table_.get_or_compute("k", [] { return OperationValue{.bytes = std::string(1'000'001, 'x')}; });
  EXPECT_EQ(large.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(state("k"), OperationState::failed);
}

TEST_F(GetOrComputeTest, AComputationThatAsksForItsOwnKeyIsTold) {
  const Value value = table_.get_or_compute("k", [&]() -> Value {
    const Value inner = table_.get_or_compute("k", [] { return OperationValue{.bytes = "inner"}; });
    EXPECT_EQ(inner.error().code, ErrorCode::invalid_argument);
    return table_.get_or_compute("other", [] { return OperationValue{.bytes = "v"}; });
  });
  EXPECT_EQ(text(value), "v");
}

TEST_F(GetOrComputeTest, NobodyTakesOverFromAComputationThatIsLate) {
  const auto compute = [&]() -> Value {
    store_.time_ns += 1'000;  // as if the machine had slept
    EXPECT_FALSE(table_.claim("k").value().claim.has_value());
    EXPECT_TRUE(table_.is_running("k").value());
    return OperationValue{.bytes = "late"};
  };
  EXPECT_EQ(text(table_.get_or_compute("k", compute, {.lease = kLease})), "late");
  EXPECT_EQ(table_.find("k").value().attempts, 1u);
}

TEST_F(GetOrComputeTest, AWriteThatFailsFreesTheKey) {
  for (const int fail_at : {0, 1}) {
    int writes = 0;
    hooked_.before_write = [&](const auto&) -> std::optional<Error> {
      if (writes++ < fail_at) return std::nullopt;
      return make_error(ErrorCode::io, "refused");
    };
    const std::string key = std::to_string(fail_at);
    EXPECT_EQ(table_.get_or_compute(key, [] { return OperationValue{.bytes = "v"}; }).error().code, ErrorCode::io);
    hooked_.before_write = {};
    EXPECT_FALSE(table_.is_running(key).value());
    EXPECT_EQ(text(table_.get_or_compute(key, [] { return OperationValue{.bytes = "w"}; })), "w");
  }
}

TEST_F(GetOrComputeTest, WaitingEndsWithTheTimeGiven) {
  const Claim mine = claim("k");
  EXPECT_EQ(table_.wait("k", std::chrono::nanoseconds(1)).value().state, OperationState::running);
  EXPECT_EQ(table_.wait("k", std::chrono::nanoseconds(-1)).value().state, OperationState::running);
  ASSERT_TRUE(table_.complete(mine, {.bytes = "v"}).ok());
  EXPECT_EQ(table_.wait("k", std::chrono::nanoseconds::max()).value().state, OperationState::done);
}

TEST_F(GetOrComputeTest, CallbacksAreCalledOnceByWhoeverEndsIt) {
  std::vector<std::string> told;
  const auto note = [&](const std::string& who) {
    return [&told, who](const OperationInfo& info) {
      told.push_back(who + " " + std::string(operation_state_name(info.state)) + info.value.bytes + info.message);
    };
  };
  ASSERT_TRUE(table_.on_finished("k", note("none")).ok());
  const Claim first = claim("k", false);
  ASSERT_TRUE(table_.on_finished("k", note("first")).ok());
  ASSERT_TRUE(table_.on_finished("k", [](const OperationInfo&) { throw std::runtime_error("dropped"); }).ok());
  ASSERT_TRUE(table_.on_finished("k", note("second")).ok());
  EXPECT_EQ(told, std::vector<std::string>{"none none"});
  store_.time_ns += 1'000;
  const Claim taker = claim("k", false);  // takes those who wait over, too
  EXPECT_EQ(told.size(), 1u);
  ASSERT_TRUE(table_.complete(taker, {.bytes = "!"}).ok());
  ASSERT_TRUE(table_.on_finished("k", note("late")).ok());
  EXPECT_EQ(told, (std::vector<std::string>{"none none", "first done!", "second done!", "late done!"}));
  claim("lost", false);
  ASSERT_TRUE(table_.on_finished("lost", note("lost")).ok());
  store_.time_ns += 1'000;
  table_.look_at_leases();
  EXPECT_EQ(told.back(), "lost abandoned");
  claim("closed");
  ASSERT_TRUE(table_.on_finished("closed", note("closed")).ok());
  table_.close();
  EXPECT_EQ(told.back(), "closed abandoned");
  EXPECT_EQ(told.size(), 6u);
}

TEST_F(GetOrComputeTest, ACallbackMayUseTheTable) {
  std::string found;
  const Claim mine = claim("k");
  ASSERT_TRUE(table_
                  .on_finished("k",
                               [&](const OperationInfo&) {
                                 found =
                                     text(table_.get_or_compute("next", [] { return OperationValue{.bytes = "v"}; }));
                               })
                  .ok());
  ASSERT_TRUE(table_.complete(mine, {}).ok());
  EXPECT_EQ(found, "v");
}

TEST_F(GetOrComputeTest, TheThreadKeepsLeasesAndEndsThoseThatRanOut) {
  OperationTable table(hooked_, options(kOwner, true));
  const Claim kept = claim(table, "kept");
  for (int i = 0; i < 5; ++i) {
    const std::string key = "silent" + std::to_string(i);
    const Claim silent = claim(table, key, false);
    store_.time_ns += 1'000;
    // Nobody else ends it: when this returns, the thread has looked since the time was set.
    EXPECT_EQ(table.wait(key).value().state, OperationState::abandoned);
    EXPECT_TRUE(table.is_running("kept").value());
    EXPECT_FALSE(table.claim("kept").value().claim.has_value());
    EXPECT_EQ(table.complete(silent, {.bytes = "late"}).error().code, ErrorCode::conflict);
  }
  EXPECT_TRUE(table.complete(kept, {.bytes = "v"}).ok());
}

TEST_F(GetOrComputeTest, WhoeverWaitsForAClaimThatIsLostComputes) {
  OperationTable table(hooked_, options(kOwner, true));
  claim(table, "k", false);
  std::atomic<int> computed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      EXPECT_EQ(text(table.get_or_compute("k",
                                          [&]() -> Value {
                                            ++computed;
                                            return OperationValue{.bytes = "v"};
                                          })),
                "v");
    });
  }
  while (table.waiting() < 4) std::this_thread::yield();
  store_.time_ns += 1'000;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(computed, 1);
}

TEST_F(GetOrComputeTest, ClosingEndsEveryWait) {
  Started started;
  std::thread computing([&] {
    const Value value = table_.get_or_compute("k", [&] { return started({.bytes = "v"}); });
    EXPECT_EQ(value.error().code, ErrorCode::cancelled);
  });
  started.computing.get_future().wait();
  std::vector<std::thread> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.emplace_back([&, i] {
      const ErrorCode code = i % 2 == 0 ? table_.wait("k").error().code
                                        : table_.get_or_compute("k", [] { return OperationValue{}; }).error().code;
      EXPECT_EQ(code, ErrorCode::cancelled);
    });
  }
  while (table_.waiting() < 4) std::this_thread::yield();
  table_.close();
  for (std::thread& thread : waiting) thread.join();
  started.go_on.set_value();
  computing.join();
  EXPECT_EQ(table_.claim("other").error().code, ErrorCode::cancelled);
}

TEST_F(GetOrComputeTest, ThreadsThatClaimFailAndLoseAtOnceAgreeOnOneValue) {
  OperationTable table(hooked_, options(kOwner, true));
  constexpr int kThreads = 8, kKeys = 200;
  std::vector<std::atomic<int>> published(kKeys);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kKeys; ++i) {
        const std::string key = std::to_string(i);
        // Some stall until their claim is lost, some fail, and some publish.
        while (table.find(key).value().state != OperationState::done) {
          const auto outcome = table.claim(key, {.lease = kLease, .keep_alive = (t + i) % 3 != 0}).value();
          if (!outcome.claim) {
            (void)table.wait(key, std::chrono::microseconds(100)).ok();
            store_.time_ns += 100;
            continue;
          }
          if ((t + i) % 3 == 0) store_.time_ns += 1'000;
          if ((t + i) % 3 == 1) {
            (void)table.fail(*outcome.claim, "chance").ok();
            if (t != kThreads - 1) break;
          } else if (table.complete(*outcome.claim, {.bytes = std::to_string(t)}).ok()) {
            ++published[i];
          }
          if ((t + i) % 3 == 0) break;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kKeys; ++i) EXPECT_LE(published[i], 1) << i;
}

}  // namespace
}  // namespace cairn
