// SPDX-License-Identifier: Apache-2.0
//
// A mirror takes no more of the line than it is given: by a test's own clock.
#include "replication/throttled_storage.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/memory_storage.h"

namespace cairn {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ThrottledStorageTest : public ::testing::Test {
 protected:
  Status put(std::size_t bytes) {
    const std::vector<std::byte> object(bytes);
    const std::span<const std::byte> part(object);
    return storage_.put("key", std::span(&part, 1));
  }
  seconds passed() const { return std::chrono::duration_cast<seconds>(now_.time_since_epoch()); }

  std::chrono::steady_clock::time_point now_{};
  std::vector<seconds> went_at_;
  RetryClock clock_{.now = [this] { return now_; },
                    .sleep =
                        [this](milliseconds time) {
                          now_ += time;
                          return true;
                        },
                    .random = {}};
  testing::MemoryStorage bucket_;
  ThrottledStorage storage_{bucket_, 1'000, &clock_};
};

TEST_F(ThrottledStorageTest, WhatIsSentTakesAsLongAsItsBytes) {
  for (int i = 1; i <= 5; ++i) {
    ASSERT_TRUE(put(2'000).ok());
    EXPECT_EQ(passed(), seconds(2 * i));
  }
  ASSERT_TRUE(put(0).ok());
  EXPECT_EQ(passed(), seconds(10));
}

TEST_F(ThrottledStorageTest, ACallGoesAtOnceAndPaysAfterwards) {
  bucket_.fault = [this](std::size_t, const std::string&) {
    went_at_.push_back(passed());
    return testing::MemoryStorage::Fault::none;
  };
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(put(1'000).ok());
  EXPECT_EQ(went_at_, (std::vector<seconds>{seconds(0), seconds(1), seconds(2)}));
}

TEST_F(ThrottledStorageTest, TimeThatWasNotUsedIsNotSavedUp) {
  ASSERT_TRUE(put(1'000).ok());
  now_ += seconds(100);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(put(1'000).ok());
  EXPECT_EQ(passed(), seconds(104));
}

TEST_F(ThrottledStorageTest, WhatIsReadCountsAsWell) {
  ASSERT_TRUE(put(4'000).ok());
  ASSERT_TRUE(storage_.get("key", 10'000).ok());
  EXPECT_EQ(passed(), seconds(8));
  ASSERT_TRUE(storage_.get_range("key", {.offset = 0, .length = 1'000}).ok());
  EXPECT_EQ(passed(), seconds(9));
  ASSERT_TRUE(storage_.list("", "").ok());
  EXPECT_EQ(passed(), seconds(9)) << "what is no object's bytes costs nothing";
}

TEST_F(ThrottledStorageTest, OnceItIsStoppedNothingIsSent) {
  ASSERT_TRUE(put(1'000).ok());
  bucket_.restart();
  storage_.stop();
  EXPECT_EQ(put(1).error().code, ErrorCode::cancelled);
  EXPECT_EQ(storage_.get("key", 10).error().code, ErrorCode::cancelled);
  EXPECT_EQ(bucket_.calls(), 0u);
}

}  // namespace
}  // namespace cairn
