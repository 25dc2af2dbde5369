// SPDX-License-Identifier: Apache-2.0
//
// What is tried again, and when: all of it decided by a test's own time and chance.
#include "replication/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cairn {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Le;
using ::testing::SizeIs;

class RetryTest : public ::testing::Test {
 protected:
  RetryClock clock() {
    return {.now = [this] { return now_; },
            .sleep =
                [this](milliseconds time) {
                  waits_.push_back(time);
                  now_ += time;
                  return !stopped_;
                },
            .random = [this] { return random_; }};
  }
  // How often `error` is met before it is given up.
  unsigned attempts(const RetryPolicy& policy, const Error& error, std::optional<milliseconds> wait_min = {}) {
    const RetryClock time = clock();
    Retry retry(policy, time);
    while (retry.again(error, wait_min)) {
    }
    return retry.attempts();
  }

  std::chrono::steady_clock::time_point now_{};
  double random_ = 0;
  bool stopped_ = false;
  std::vector<milliseconds> waits_;
  const Error transient_{.message = "reset", .retryable = true};
};

TEST_F(RetryTest, WaitsDoubleUpToABoundAndAreDrawnFromTheirUpperHalf) {
  const RetryPolicy policy{.attempts_max = 6, .delay_first = milliseconds(100), .delay_max = milliseconds(500)};
  EXPECT_EQ(attempts(policy, transient_), 6U);
  EXPECT_THAT(waits_, ElementsAre(milliseconds(50), milliseconds(100), milliseconds(200), milliseconds(250),
                                  milliseconds(250)));
  waits_.clear();
  random_ = 0.999;
  EXPECT_EQ(attempts(policy, transient_), 6U);
  EXPECT_THAT(waits_, ElementsAre(milliseconds(99), milliseconds(199), milliseconds(399), milliseconds(499),
                                  milliseconds(499)));
}

TEST_F(RetryTest, WhatCannotHelpIsTriedOnce) {
  EXPECT_EQ(attempts({}, {.message = "no"}), 1U);
  EXPECT_EQ(attempts({.attempts_max = 1}, transient_), 1U);
  EXPECT_THAT(waits_, SizeIs(0));
}

TEST_F(RetryTest, AServerThatAsksForTimeGetsItIfThereIsThatMuch) {
  const RetryPolicy policy{.attempts_max = 3, .time_max = seconds(100)};
  EXPECT_EQ(attempts(policy, transient_, seconds(7)), 3U);
  EXPECT_THAT(waits_, ElementsAre(seconds(7), seconds(7)));
  waits_.clear();
  EXPECT_EQ(attempts(policy, transient_, seconds(101)), 1U);
  EXPECT_THAT(waits_, SizeIs(0));
}

TEST_F(RetryTest, NoAttemptBeginsAfterTheTimeIsOver) {
  const RetryPolicy policy{.attempts_max = 1'000'000, .delay_max = seconds(1), .time_max = seconds(30)};
  EXPECT_GE(attempts(policy, transient_), 30U);
  EXPECT_LE(now_.time_since_epoch(), seconds(30));
  EXPECT_GE(now_.time_since_epoch(), seconds(29));
}

TEST_F(RetryTest, ASleepThatIsStoppedIsTheLast) {
  stopped_ = true;
  EXPECT_EQ(attempts({}, transient_), 1U);
  EXPECT_THAT(waits_, SizeIs(1));
}

TEST_F(RetryTest, TheLastErrorSaysHowOftenItWasTried) {
  const RetryClock time = clock();
  const RetryPolicy policy{};
  Retry retry(policy, time);
  EXPECT_EQ(retry.last_error(transient_).message, "reset");
  ASSERT_TRUE(retry.again(transient_));
  EXPECT_EQ(retry.last_error(transient_).message, "reset (after 2 attempts)");
}

TEST(SystemRetryClockTest, ChanceIsBetweenZeroAndOne) {
  const RetryClock clock = system_retry_clock();
  for (int i = 0; i < 1000; ++i) EXPECT_THAT(clock.random(), ::testing::AllOf(Ge(0.0), Le(1.0)));
  EXPECT_TRUE(clock.sleep(milliseconds(0)));
}

}  // namespace
}  // namespace cairn
