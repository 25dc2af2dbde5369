// SPDX-License-Identifier: Apache-2.0
#include "engine/results/entry_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace cairn {
namespace {

EntryPtr entry(std::uint64_t version, std::size_t bytes = 100) {
  return std::make_shared<const Entry>(Entry{.value = std::string(bytes, 'v'), .version = version, .references = {}});
}
std::string key(int i) { return "key" + std::to_string(i); }

TEST(EntryCacheTest, KeepsWhatFitsAndNeverMore) {
  EntryCache cache(1 << 20);
  for (int i = 0; i < 100'000; ++i) {
    cache.insert(key(i), entry(1), cache.ticket(key(i)));
    if (i % 1000 == 0) {
      ASSERT_LE(cache.stats().bytes, cache.limit());
    }
  }
  const EntryCacheStats stats = cache.stats();
  EXPECT_GT(stats.bytes, cache.limit() / 2);
  EXPECT_EQ(stats.entries + stats.evicted, 100'000u);
  cache.set_limit(64 << 10);
  EXPECT_LE(cache.stats().bytes, 64u << 10);
  cache.set_limit(0);
  EXPECT_EQ(cache.stats().bytes, 0u);
  EXPECT_EQ(cache.stats().entries, 0u);
}

TEST(EntryCacheTest, AScanDoesNotPushOutWhatIsReadAgainAndAgain) {
  EntryCache cache(1 << 20);
  constexpr int kHot = 1000;
  for (int i = 0; i < kHot; ++i) cache.insert(key(i), entry(1), cache.ticket(key(i)));
  for (int i = 0; i < kHot; ++i) EXPECT_TRUE(cache.find(key(i)));
  for (int i = kHot; i < 50 * kHot; ++i) cache.insert(key(i), entry(1), cache.ticket(key(i)));
  int there = 0;
  for (int i = 0; i < kHot; ++i) there += cache.find(key(i)) ? 1 : 0;
  EXPECT_GT(there, kHot * 9 / 10);
}

TEST(EntryCacheTest, WhatWasReadBeforeAChangeIsNotKeptAfterIt) {
  EntryCache cache(1 << 20);
  const std::uint64_t ticket = cache.ticket("k");
  cache.change("k", entry(2));
  cache.insert("k", entry(1), ticket);
  EXPECT_EQ(cache.find("k")->version, 2u);
  const std::uint64_t again = cache.ticket("k");
  cache.change("k", nullptr);
  cache.insert("k", entry(2), again);
  EXPECT_FALSE(cache.find("k"));
}

TEST(EntryCacheTest, WhatIsLargerThanItsShareIsNotKept) {
  EntryCache cache(1 << 20);
  cache.change("k", entry(1, 1 << 20));
  EXPECT_FALSE(cache.find("k"));
  EXPECT_EQ(cache.stats().bytes, 0u);
}

TEST(EntryCacheTest, ThreadsSeeNoVersionOlderThanTheySaw) {
  EntryCache cache(64 << 10);
  std::atomic<std::uint64_t> truth[8] = {};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20'000; ++i) {
        const int k = (i * 7 + t) % 8;
        if (k % 4 == t && i % 3 == 0) {
          cache.change(key(k), entry(++truth[k]));
          continue;
        }
        const std::uint64_t before = k % 4 == t ? truth[k].load() : 0;
        if (const auto found = cache.find(key(k))) {
          EXPECT_GE(found->version, before);
        } else {
          const std::uint64_t ticket = cache.ticket(key(k));
          const std::uint64_t now = truth[k];
          // As after the index was read: what the truth is now, or was when the ticket was taken.
          if (k % 4 == t) cache.insert(key(k), entry(now), ticket);
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace cairn
