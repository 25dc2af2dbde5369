// SPDX-License-Identifier: Apache-2.0
//
// Which results go when they are to fit into a budget.
#include "engine/results/result_eviction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "engine/results/result_table.h"
#include "tests/results/hooked_entry_store.h"
#include "tests/results/memory_entry_store.h"

namespace cairn {
namespace {

using std::chrono::nanoseconds;

std::string key_of(const std::string& key) { return EntryKey(EntrySpace::results).text("").rest(key).bytes(); }

class ResultEvictionTest : public ::testing::Test {
 protected:
  void put(const std::string& key, std::optional<nanoseconds> cost, std::size_t bytes = 1'000,
           std::optional<nanoseconds> ttl = {}) {
    const ResultValue value{.bytes = std::vector<std::byte>(bytes)};
    const auto written = table_.put("", {{key, value}}, {.ttl = ttl, .cost = cost});
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  void read(const std::string& key, int times = 1) {
    for (int i = 0; i < times; ++i) ASSERT_TRUE(table_.get("", key).value()) << key;
  }
  // What a result takes, as a budget sees it.
  std::uint64_t takes(const std::string& key) {
    return key_of(key).size() + entries_.find(key_of(key)).value()->value.size();
  }
  EvictReport evict(std::uint64_t budget, std::optional<std::uint64_t> low_water = {}) {
    return table_.evict({.budget_bytes = budget, .low_water_bytes = low_water}).value();
  }
  std::string left() {
    std::string keys;
    const ResultPage page = table_.list("", {}, 1'000, "*").value();
    for (const ResultInfo& info : page.results) keys.append(keys.empty() ? "" : " ").append(info.key);
    return keys;
  }

  MemoryEntryStore entries_;
  ResultTable table_{entries_};
};

TEST_F(ResultEvictionTest, WhatIsWorthLeastPerByteGoesUntilTheLowWaterMark) {
  put("dear", nanoseconds(9'000));
  put("cheap", nanoseconds(1'000));
  put("middle", nanoseconds(5'000));
  put("large", nanoseconds(9'000), 100'000);
  const std::uint64_t all = takes("dear") + takes("cheap") + takes("middle") + takes("large");
  EXPECT_EQ(evict(all).evicted, 0u) << "they fit";
  EXPECT_EQ(left(), "cheap dear large middle");
  const std::uint64_t large = takes("large"), cheap = takes("cheap");
  const EvictReport report = evict(all - 1, all - large);
  EXPECT_EQ(report.evicted, 1u);
  EXPECT_EQ(report.evicted_bytes, large);
  EXPECT_EQ(report.bytes, all - large);
  EXPECT_EQ(left(), "cheap dear middle");
  EXPECT_EQ(evict(all - large - 1, all - large - cheap).evicted, 1u);
  EXPECT_EQ(left(), "dear middle");
  EXPECT_EQ(evict(0).bytes, 0u);
  EXPECT_EQ(left(), "");
  EXPECT_EQ(table_.counters().evicted, 4u);
  EXPECT_FALSE(table_.evict({.budget_bytes = 1, .low_water_bytes = 2}).ok());
}

TEST_F(ResultEvictionTest, WhatHasNoCostIsNeitherCountedNorEvicted) {
  put("kept", {}, 500'000);
  put("a", nanoseconds(1));
  EXPECT_EQ(evict(10'000).evicted, 0u);
  EXPECT_EQ(evict(0).evicted, 1u);
  EXPECT_EQ(left(), "kept");
  // A put without a cost takes the chance back.
  put("b", nanoseconds(1));
  put("b", {});
  EXPECT_EQ(evict(0).evicted, 0u);
  EXPECT_EQ(left(), "b kept");
  EXPECT_FALSE(table_.put("", {{"k", ResultValue()}}, {.cost = nanoseconds(0)}).ok());
}

TEST_F(ResultEvictionTest, WhatIsReadIsWorthMoreAlsoWhenTheCountsAreWritten) {
  for (const char* key : {"a", "b", "c", "d"}) put(key, nanoseconds(1'000));
  read("a", 2);
  ASSERT_TRUE(table_.flush_accesses().ok());
  read("a");
  read("c", 2);
  EXPECT_EQ(evict(4 * takes("a") - 1, 2 * takes("a")).evicted, 2u);
  EXPECT_EQ(left(), "a c");
  EXPECT_EQ(evict(takes("a"), takes("a")).evicted, 1u);
  EXPECT_EQ(left(), "a");
}

TEST_F(ResultEvictionTest, WhatWasReadLongAgoGoesInTheEnd) {
  put("old", nanoseconds(1'000));
  read("old", 20);
  std::optional<int> gone;
  for (int round = 0; round < 100 && !gone; ++round) {
    put("n" + std::to_string(round), nanoseconds(1'000));
    put("m" + std::to_string(round), nanoseconds(1'000));
    evict(2 * takes("n" + std::to_string(round)), 2'000);
    if (!table_.has("", "old").value()) gone = round;
  }
  ASSERT_TRUE(gone);
  EXPECT_GT(*gone, 10);
  EXPECT_LT(*gone, 30);
}

TEST_F(ResultEvictionTest, TheClockGoesOnInAnotherTable) {
  put("a", nanoseconds(1'000'000'000));
  EXPECT_EQ(evict(0).evicted, 1u);
  ResultTable next(entries_);
  const ResultOptions cheap{.cost = nanoseconds(1)};
  ASSERT_TRUE(next.put("", {{"b", ResultValue()}}, cheap).ok());
  const ResultEnvelope envelope = decode_result(entries_.find(key_of("b")).value()->value).value();
  EXPECT_GT(envelope.eviction_clock, 100'000) << "what was evicted cost so much per byte";
  ASSERT_TRUE(entries_.write({{.key = "a", .value = "x"}}, {}).ok());
  ResultTable damaged(entries_);
  EXPECT_EQ(damaged.put("", {{"c", ResultValue()}}, cheap).error().code, ErrorCode::corruption);
}

TEST_F(ResultEvictionTest, WhatIsPutAgainMeanwhileStays) {
  HookedEntryStore hooked(entries_);
  ResultTable table(hooked);
  put("a", nanoseconds(1'000));
  put("b", nanoseconds(1'000));
  hooked.before_write = [&](const auto&) -> std::optional<Error> {
    hooked.before_write = {};
    put("a", nanoseconds(1'000));
    return {};
  };
  const EvictReport report = table.evict({.budget_bytes = 0}).value();
  EXPECT_EQ(report.evicted, 1u);
  EXPECT_EQ(report.bytes, takes("a"));
  EXPECT_EQ(left(), "a");
}

TEST_F(ResultEvictionTest, AFullDiskStopsTheClockAndNoRemoval) {
  HookedEntryStore hooked(entries_);
  ResultTable table(hooked);
  put("a", nanoseconds(1'000));
  hooked.before_write = [](const std::vector<EntryChange>& changes) -> std::optional<Error> {
    if (std::ranges::all_of(changes, &EntryChange::removed)) return {};
    return make_error(ErrorCode::no_space, "planned");
  };
  EXPECT_EQ(table.evict({.budget_bytes = 0}).value().evicted, 1u);
  EXPECT_EQ(left(), "");
}

TEST_F(ResultEvictionTest, WhatHasExpiredGoesBeforeEverythingElse) {
  put("dear", nanoseconds(1'000'000), 1'000, nanoseconds(1));
  put("cheap", nanoseconds(1));
  entries_.time_ns += 10;
  const EvictReport report = evict(takes("cheap"));
  EXPECT_EQ(report.evicted, 0u);
  EXPECT_EQ(report.bytes, takes("cheap"));
  EXPECT_EQ(left(), "cheap");
}

TEST_F(ResultEvictionTest, OfManyExactlyTheLeastGo) {
  constexpr unsigned kSeed = 11;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  for (int i = 0; i < 400; ++i) {
    const std::string key = "k" + std::to_string(i);
    put(key, nanoseconds(1 + random() % 10'000), 100 + random() % 1'000);
    read(key, static_cast<int>(random() % 4));
    // The clock has run for some of them.
    if (i == 200) {
      ASSERT_GT(evict(100'000, 50'000).evicted, 0u);
    }
  }
  struct Judged {
    double priority;
    std::string key;
    std::uint64_t bytes;
  };
  std::vector<Judged> all;
  std::uint64_t bytes = 0;
  const ResultPage page = table_.list("", {}, 1'000, "*").value();
  for (const ResultInfo& info : page.results) {
    const ResultEnvelope envelope = decode_result(entries_.find(key_of(info.key)).value()->value).value();
    // None of them was read before an eviction and kept, but in the order of their numbers.
    const ResultAccess access{.count = info.access_count, .eviction_clock = envelope.eviction_clock};
    all.push_back({priority_of(envelope, takes(info.key), access), key_of(info.key), takes(info.key)});
    bytes += takes(info.key);
  }
  std::ranges::sort(all, {}, [](const Judged& judged) { return std::pair(judged.priority, judged.key); });
  std::set<std::string> stays;
  const std::uint64_t low_water = bytes / 3;
  for (const Judged& judged : all) {
    if (bytes > low_water) {
      bytes -= judged.bytes;
    } else {
      stays.insert(judged.key);
    }
  }
  EXPECT_EQ(evict(low_water, low_water).bytes, bytes);
  for (const Judged& judged : all) {
    EXPECT_EQ(entries_.find(judged.key).value().has_value(), stays.contains(judged.key)) << judged.key;
  }
}

TEST_F(ResultEvictionTest, HostileBytesAreNamed) {
  put("k", nanoseconds(1'000), 10);
  const std::string good = entries_.find(key_of("k")).value()->value;
  EXPECT_EQ(encode(decode_result(good).value()), good);
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_FALSE(decode_result(good.substr(0, size)).ok()) << size;
  ResultEnvelope envelope = decode_result(good).value();
  envelope.eviction_clock = -1;
  EXPECT_EQ(decode_result(encode(envelope)).error().code, ErrorCode::corruption);
  EXPECT_FALSE(parse_evictable_key("r"));
  EXPECT_FALSE(parse_evictable_key(evictable_index().real(1).bytes()));
  EXPECT_FALSE(parse_evictable_key(evictable_index().real(1).number(2).bytes() + "x"));
}

}  // namespace
}  // namespace cairn
