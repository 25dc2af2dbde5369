// SPDX-License-Identifier: Apache-2.0
#include "engine/results/access_counts.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/errors.h"
#include "tests/results/hooked_entry_store.h"
#include "tests/results/memory_entry_store.h"

namespace cairn {
namespace {

constexpr std::size_t kMany = 10'000;  // as many as are written without being asked for

class AccessCountsTest : public testing::Test {
 protected:
  static std::string key(std::size_t i) { return "r" + std::to_string(i); }
  void read_many() {
    for (std::size_t i = 0; i < kMany; ++i) counts_.note(key(i), 5);
  }
  std::uint64_t count(std::size_t i) { return counts_.of(key(i)).value().count; }

  MemoryEntryStore behind_;
  HookedEntryStore entries_{behind_};
  AccessCounts counts_{entries_};
};

TEST_F(AccessCountsTest, AReaderOfManyResultsNeitherWritesNorLooks) {
  entries_.keeps_work = true;
  read_many();
  for (std::size_t i = 0; i < kMany; ++i) counts_.note(key(i), 6);
  EXPECT_EQ(behind_.writes(), 0u);
  ASSERT_EQ(entries_.kept_work.size(), 1u);
  while (entries_.kept_work.front()()) continue;
  EXPECT_GT(behind_.writes(), 1u);
  for (std::size_t i = 0; i < kMany; i += 97) {
    EXPECT_EQ(count(i), 2u);
    EXPECT_EQ(counts_.of(key(i)).value().last_ns, 6);
  }
}

TEST_F(AccessCountsTest, NoReadIsCountedTwiceOrForgottenWhileTheyAreWritten) {
  entries_.keeps_work = true;
  read_many();
  for (bool more = true; more;) {
    more = entries_.kept_work.front()();
    counts_.note(key(0), 6);
    counts_.note(key(kMany - 1), 6);
    EXPECT_EQ(count(0), count(kMany - 1));
    EXPECT_EQ(count(kMany / 2), 1u);
  }
  const std::uint64_t before = count(0);
  ASSERT_TRUE(counts_.flush().ok());
  EXPECT_EQ(count(0), before);
  AccessCounts again(behind_);
  EXPECT_EQ(again.of(key(0)).value().count, before);
}

TEST_F(AccessCountsTest, WhatIsRemovedWhileItIsWrittenStaysForgotten) {
  entries_.keeps_work = true;
  read_many();
  ASSERT_TRUE(entries_.kept_work.front()());
  std::vector<EntryChange> removals;
  for (std::size_t i = 0; i < kMany; ++i) removals.push_back(counts_.removal(key(i)));
  ASSERT_TRUE(entries_.write(std::move(removals), {}).ok());
  while (entries_.kept_work.front()()) continue;
  for (std::size_t i = 0; i < kMany; i += 97) EXPECT_EQ(count(i), 0u) << i;
}

TEST_F(AccessCountsTest, WhatCannotBeWrittenIsForgottenAndTheNextIsNot) {
  entries_.keeps_work = true;
  read_many();
  entries_.before_write = [](const auto&) { return make_error(ErrorCode::no_space, "full"); };
  EXPECT_FALSE(entries_.kept_work.front()());
  EXPECT_EQ(count(1), 0u);
  entries_.before_write = nullptr;
  read_many();
  ASSERT_EQ(entries_.kept_work.size(), 2u);
  while (entries_.kept_work.back()()) continue;
  EXPECT_EQ(count(1), 1u);
}

TEST_F(AccessCountsTest, WhatThereIsNoRoomForIsWrittenTheNextTime) {
  entries_.keeps_work = true;
  read_many();
  entries_.before_write = [](const auto&) {
    Error full = make_error(ErrorCode::overloaded, "full");
    full.retryable = true;
    return full;
  };
  EXPECT_FALSE(entries_.kept_work.front()());
  EXPECT_FALSE(counts_.flush().ok());
  EXPECT_EQ(count(1), 1u);
  entries_.before_write = nullptr;
  ASSERT_TRUE(counts_.flush().ok());
  AccessCounts again(behind_);
  for (std::size_t i = 0; i < kMany; i += 97) EXPECT_EQ(again.of(key(i)).value().count, 1u) << i;
}

TEST_F(AccessCountsTest, MemoryIsBoundedWhereNothingIsWritten) {
  entries_.keeps_work = true;
  for (std::size_t i = 0; i < AccessCounts::kCountedMax + 10; ++i) counts_.note(key(i), 5);
  counts_.note(key(0), 6);
  EXPECT_EQ(count(0), 2u);
  EXPECT_EQ(count(AccessCounts::kCountedMax - 1), 1u);
  EXPECT_EQ(count(AccessCounts::kCountedMax), 0u);
}

TEST_F(AccessCountsTest, ReadersRemoversAndTheWriterAgree) {
  entries_.keeps_work = true;
  read_many();
  std::atomic<bool> done = false;
  std::thread writer([&] {
    while (entries_.kept_work.front()()) continue;
    done = true;
  });
  std::uint64_t reads = 0;
  do {
    counts_.note(key(7), 6);
    EXPECT_EQ(count(7), ++reads + 1);
    static_cast<void>(counts_.removal(key(9)));
  } while (!done);
  writer.join();
  EXPECT_EQ(count(7), reads + 1);
  EXPECT_EQ(count(8), 1u);
}

}  // namespace
}  // namespace cairn
