// SPDX-License-Identifier: Apache-2.0
//
// What is in memory only: which goes when room is needed, and what a scan finds.
#include "engine/results/memory_only_entries.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace cairn {
namespace {

using Order = EntryStore::Order;

constexpr std::uint64_t kRoomEach = 1'000;

class MemoryOnlyEntriesTest : public ::testing::Test {
 protected:
  // Each takes kRoomEach, so that ten fit.
  void put(const std::string& key, std::vector<std::string> index_keys = {}) {
    const std::uint64_t about = MemoryOnlyEntries::bytes_of(key, {}, index_keys);
    entries_.put(key, {.value = std::string(kRoomEach - about, 'v'), .version = ++version_, .references = {}},
                 std::move(index_keys));
  }
  std::string keys() const { return text_of(entries_.scan({}, Order::ascending, {})); }
  static std::string text_of(const std::vector<MemoryOnlyEntries::Row>& rows) {
    std::string text;
    for (const auto& row : rows) {
      text.append(text.empty() ? "" : " ").append(row.place);
      if (row.key != row.place) text.append("=").append(row.key);
    }
    return text;
  }

  std::uint64_t version_ = 0;
  MemoryOnlyEntries entries_{10 * kRoomEach};
};

TEST_F(MemoryOnlyEntriesTest, WhatWasReadStaysWhenRoomIsNeeded) {
  for (int i = 0; i < 10; ++i) put(std::to_string(i));
  for (const char* read : {"0", "1", "7"}) EXPECT_NE(entries_.find(read), nullptr);
  for (const char* next : {"a", "b", "c"}) put(next);
  EXPECT_EQ(keys(), "0 1 5 6 7 8 9 a b c");
  EXPECT_EQ(entries_.stats().evicted, 3u);
  EXPECT_EQ(entries_.bytes(), 10 * kRoomEach);
  // The hand has forgotten the first two, and goes on from where it stands.
  put("d");
  EXPECT_EQ(keys(), "0 1 6 7 8 9 a b c d");
}

TEST_F(MemoryOnlyEntriesTest, AFloodThatNobodyReadsLeavesWhatIsRead) {
  put("read");
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_NE(entries_.find("read"), nullptr) << i;
    put("flood" + std::to_string(i));
  }
  EXPECT_EQ(entries_.size(), 10u);
}

TEST_F(MemoryOnlyEntriesTest, WhatTakesAnothersPlaceTakesItsRoomAndItsIndexKeys) {
  put("k", {"one", "two"});
  put("other", {"one"});
  EXPECT_EQ(text_of(entries_.scan_index("", Order::ascending, {})), "one=k one=other two=k");
  put("k", {"three"});
  EXPECT_EQ(text_of(entries_.scan_index("", Order::ascending, {})), "one=other three=k");
  EXPECT_EQ(entries_.bytes(), 2 * kRoomEach);
  entries_.erase("k");
  entries_.erase("never");
  EXPECT_EQ(text_of(entries_.scan_index("", Order::descending, {})), "one=other");
  entries_.erase("other");
  EXPECT_EQ(entries_.bytes(), 0u);
}

TEST_F(MemoryOnlyEntriesTest, ScansGoBothWaysFromWhereTheyAreTold) {
  for (const char* key : {"a", "p1", "p2", "p3", "q"}) put(key, {std::string("i") + key});
  EXPECT_EQ(text_of(entries_.scan("p", Order::ascending, {})), "p1 p2 p3");
  EXPECT_EQ(text_of(entries_.scan("p", Order::descending, {})), "p3 p2 p1");
  EXPECT_EQ(text_of(entries_.scan("p", Order::ascending, "p2")), "p2 p3");
  EXPECT_EQ(text_of(entries_.scan("p", Order::ascending, "p2a")), "p3");
  EXPECT_EQ(text_of(entries_.scan("p", Order::descending, "p2")), "p2 p1");
  EXPECT_EQ(text_of(entries_.scan("p", Order::descending, "z")), "p3 p2 p1");
  EXPECT_EQ(text_of(entries_.scan_index("ip", Order::descending, "ip2")), "ip2=p2 ip1=p1");
}

TEST_F(MemoryOnlyEntriesTest, RowsComeAmongThoseOfTheDiskInEitherOrder) {
  for (const char* key : {"b", "d", "f"}) put(key);
  for (const Order order : {Order::ascending, Order::descending}) {
    MemoryOnlyWalk walk(order, entries_.scan({}, order, {}));
    std::vector<std::string> disk = {"a", "d", "e"};
    if (order == Order::descending) std::ranges::reverse(disk);
    std::string seen;
    for (const std::string& key : disk) {
      while (const auto* row = walk.not_behind(key, key)) seen += row->key;
      seen += key == "d" ? "" : key;
    }
    while (const auto* row = walk.next()) seen += row->key;
    EXPECT_EQ(seen, order == Order::ascending ? "abdef" : "fedba");
  }
}

TEST_F(MemoryOnlyEntriesTest, WhateverIsDoneItAgreesWithAMapAndItsLimit) {
  constexpr unsigned kSeed = 7;
  std::mt19937 random(kSeed);
  std::map<std::string, std::uint64_t> versions;
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = std::to_string(random() % 30);
    switch (random() % 3) {
      case 0: {
        put(key, {"i" + std::to_string(random() % 5)});
        versions[key] = version_;
        break;
      }
      case 1:
        entries_.erase(key);
        versions.erase(key);
        break;
      default:
        if (const auto found = entries_.find(key)) {
          ASSERT_EQ(found->version, versions.at(key)) << "seed " << kSeed;
        }
    }
    ASSERT_LE(entries_.bytes(), entries_.limit());
    ASSERT_EQ(entries_.bytes(), entries_.size() * kRoomEach);
    ASSERT_EQ(entries_.scan_index({}, Order::ascending, {}).size(), entries_.size());
  }
  EXPECT_GT(entries_.stats().evicted, 1'000u);
}

}  // namespace
}  // namespace cairn
