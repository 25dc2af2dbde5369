// SPDX-License-Identifier: Apache-2.0
//
// parallel_in_order is how the engine uses more than one core. Its callers rely on the order
// of results and of errors, on the window as a bound on memory, and on nothing running when
// it has returned: what `work` touches lies on their stack.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/errors.h"
#include "engine/base/worker_pool.h"

namespace cairn {
namespace {

Error failed_at(int item) { return make_error(ErrorCode::io, "item " + std::to_string(item)); }

// Counts items from 0, and what is started, unconsumed and running.
class ParallelInOrderTest : public ::testing::TestWithParam<unsigned> {
 protected:
  // Runs `count` items; work and drawing fail for the items named.
  Status run(int count, std::size_t window, std::vector<int> failing = {}, int drawing_fails_at = -1,
             int consuming_fails_at = -1) {
    const auto fails = [&](int item) { return std::find(failing.begin(), failing.end(), item) != failing.end(); };
    const auto next = [&]() -> Result<std::optional<int>> {
      if (drawn_ == drawing_fails_at) return failed_at(drawn_);
      if (drawn_ == count) return std::optional<int>();
      const int unconsumed = ++drawn_ - static_cast<int>(consumed_.size());
      most_unconsumed_ = std::max(most_unconsumed_, unconsumed);
      return std::optional<int>(drawn_ - 1);
    };
    const auto work = [&](int& item) -> Result<std::string> {
      ++running_;
      // Later items are quicker: they finish first.
      std::this_thread::sleep_for(std::chrono::microseconds(item % 7 == 0 ? 300 : 10));
      --running_;
      ++worked_;
      worker_ = std::this_thread::get_id();
      if (fails(item)) return failed_at(item);
      return std::to_string(item);
    };
    const auto consume = [&](int item, std::string out) -> Status {
      if (item == consuming_fails_at) return failed_at(item);
      EXPECT_EQ(out, std::to_string(item));
      EXPECT_EQ(std::this_thread::get_id(), caller_);
      consumed_.push_back(item);
      return {};
    };
    Status status = parallel_in_order<int, std::string>(pool_, window, next, work, consume);
    EXPECT_EQ(running_, 0) << "work goes on after the call";
    EXPECT_EQ(worked_, drawn_) << "an item that was drawn was not waited for";
    return status;
  }
  std::vector<int> first(int count) const {
    std::vector<int> items(static_cast<std::size_t>(count));
    std::iota(items.begin(), items.end(), 0);
    return items;
  }

  const std::thread::id caller_ = std::this_thread::get_id();
  int drawn_ = 0;
  std::vector<int> consumed_;
  int most_unconsumed_ = 0;
  std::atomic<int> running_ = 0, worked_ = 0;
  std::atomic<std::thread::id> worker_;  // the last one
  WorkerPool pool_{GetParam()};          // last: its threads use what is above
};

INSTANTIATE_TEST_SUITE_P(Threads, ParallelInOrderTest, ::testing::Values(1u, 2u, 8u));

TEST_P(ParallelInOrderTest, ResultsArriveInTheOrderOfTheItems) {
  ASSERT_TRUE(run(500, 12).ok());
  EXPECT_EQ(consumed_, first(500));
}

TEST_P(ParallelInOrderTest, NothingIsDrawnFromNothing) {
  ASSERT_TRUE(run(0, 4).ok());
  EXPECT_TRUE(consumed_.empty());
}

TEST_P(ParallelInOrderTest, OneItemAloneIsWorkedOnByTheCaller) {
  ASSERT_TRUE(run(1, 4).ok());
  EXPECT_EQ(consumed_, first(1));
  EXPECT_EQ(worker_, caller_);
  drawn_ = worked_ = 0;
  ASSERT_TRUE(run(2, 4).ok());
  EXPECT_NE(worker_, caller_);
}

TEST_P(ParallelInOrderTest, ErrorsOfOneItemAloneAreReturned) {
  EXPECT_EQ(run(1, 4, {0}).error().message, "item 0");
  EXPECT_TRUE(consumed_.empty());
  drawn_ = worked_ = 0;
  EXPECT_EQ(run(1, 4, {}, -1, /*consuming_fails_at=*/0).error().message, "item 0");
  EXPECT_TRUE(consumed_.empty());
  drawn_ = worked_ = 0;
  EXPECT_EQ(run(9, 4, {}, /*drawing_fails_at=*/1).error().message, "item 1");
  EXPECT_EQ(consumed_, first(1)) << "what was drawn before is consumed";
}

TEST_P(ParallelInOrderTest, NoMoreThanTheWindowIsStartedAndUnconsumed) {
  for (const std::size_t window : {std::size_t{1}, std::size_t{2}, std::size_t{5}, std::size_t{64}}) {
    SCOPED_TRACE(window);
    drawn_ = worked_ = most_unconsumed_ = 0;
    consumed_.clear();
    ASSERT_TRUE(run(200, window).ok());
    EXPECT_EQ(consumed_, first(200));
    EXPECT_EQ(most_unconsumed_, static_cast<int>(window));
  }
}

TEST_P(ParallelInOrderTest, TheFirstErrorInTheOrderOfItemsWins) {
  // Item 14 works long, 15 and 16 fail long before it does.
  const Status status = run(100, 32, {16, 14, 15});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "item 14");
  EXPECT_EQ(consumed_, first(14)) << "what comes before the error is consumed, and nothing after it";
}

TEST_P(ParallelInOrderTest, DrawingStopsSoonAfterAnError) {
  const std::size_t window = 8;
  ASSERT_FALSE(run(100'000, window, {20}).ok());
  EXPECT_LE(drawn_, 20 + 1 + static_cast<int>(window));
}

TEST_P(ParallelInOrderTest, AnErrorOfDrawingComesAfterWhatWasDrawn) {
  const Status status = run(100, 16, {}, /*drawing_fails_at=*/37);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "item 37");
  EXPECT_EQ(consumed_, first(37));
}

TEST_P(ParallelInOrderTest, AnErrorOfWorkBeforeOneOfDrawingWins) {
  const Status status = run(100, 16, {35}, /*drawing_fails_at=*/37);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "item 35");
  EXPECT_EQ(consumed_, first(35));
}

TEST_P(ParallelInOrderTest, AnErrorOfConsumingEndsIt) {
  const Status status = run(100, 16, {50}, -1, /*consuming_fails_at=*/40);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "item 40");
  EXPECT_EQ(consumed_, first(40));
}

TEST_P(ParallelInOrderTest, AnyMixtureOfErrorsEndsAtTheFirst) {
  const unsigned seed = 20240517;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 100; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    drawn_ = worked_ = 0;
    consumed_.clear();
    std::vector<int> failing;
    for (int i = 0; i < 3; ++i) failing.push_back(static_cast<int>(random() % 80));
    const int drawing = static_cast<int>(random() % 80);
    const int consuming = static_cast<int>(random() % 80);
    const int worst = std::min({*std::min_element(failing.begin(), failing.end()), drawing, consuming});
    const Status status = run(60, 1 + random() % 20, failing, drawing, consuming);
    if (worst >= 60) {
      ASSERT_TRUE(status.ok());
      EXPECT_EQ(consumed_, first(60));
    } else {
      ASSERT_FALSE(status.ok());
      EXPECT_EQ(status.error().message, "item " + std::to_string(worst));
      EXPECT_EQ(consumed_, first(worst));
    }
  }
}

TEST(ParallelInOrder, ItemsAndResultsNeedOnlyBeMoved) {
  WorkerPool pool(2);
  int left = 20;
  int sum = 0;
  using Owned = std::unique_ptr<int>;
  const auto next = [&]() -> Result<std::optional<Owned>> {
    if (left == 0) return std::optional<Owned>();
    return std::optional<Owned>(std::make_unique<int>(left--));
  };
  const auto work = [](Owned& item) -> Result<Owned> { return std::make_unique<int>(*item * 2); };
  const auto consume = [&](Owned item, Owned out) -> Status {
    sum += *out - *item;
    return {};
  };
  ASSERT_TRUE((parallel_in_order<Owned, Owned>(pool, 3, next, work, consume)).ok());
  EXPECT_EQ(sum, 20 * 21 / 2);
}

TEST(ParallelInOrder, TwoCallersShareAPool) {
  WorkerPool pool(2);
  const auto count = [&pool](int items) {
    int drawn = 0;
    int consumed = 0;
    const auto next = [&]() -> Result<std::optional<int>> {
      return drawn == items ? std::optional<int>() : std::optional<int>(drawn++);
    };
    const auto work = [](int& item) -> Result<int> { return item; };
    const auto consume = [&](int, int out) -> Status {
      EXPECT_EQ(out, consumed++);
      return {};
    };
    EXPECT_TRUE((parallel_in_order<int, int>(pool, 4, next, work, consume)).ok());
    EXPECT_EQ(consumed, items);
  };
  std::thread other([&] { count(2000); });
  count(2000);
  other.join();
}

TEST(WorkerPool, HasAtLeastOneThread) {
  EXPECT_EQ(WorkerPool(0).threads(), 1u);
  EXPECT_EQ(WorkerPool(3).threads(), 3u);
}

TEST(WorkerPool, TheDestructorWaitsForWhatWasPosted) {
  std::atomic<int> done = 0;
  {
    WorkerPool pool(2);
    for (int i = 0; i < 100; ++i) pool.post([&done] { ++done; });
  }
  EXPECT_EQ(done, 100);
}

}  // namespace
}  // namespace cairn
