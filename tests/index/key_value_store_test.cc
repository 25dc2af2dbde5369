// SPDX-License-Identifier: Apache-2.0
//
// What key_value_store.h promises, of every kind of store there is: walks in both directions
// against a sorted map, visitors that stop, fail and write, and walks beside a writer.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "engine/index/memory_store.h"
#include "engine/index/rocksdb_index.h"
#include "tests/index/index_samples.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

using Sorted = std::map<std::string, std::string>;
using Rows = std::vector<std::pair<std::string, std::string>>;

enum class Backend { rocksdb, memory, over_memory, over_rocksdb };
enum class Direction { up, down };

class KeyValueStoreContract : public ::testing::TestWithParam<Backend> {
 private:
  SimFileSystem fs_;  // outlives the stores that have files there

 protected:
  // What is in `beneath` is in the base, where there is one.
  void make(const KeyValueChanges& beneath = {}) {
    const Backend backend = GetParam();
    store_ = std::make_unique<MemoryStore>();
    if (backend == Backend::rocksdb || backend == Backend::over_rocksdb) store_ = rocksdb();
    ASSERT_CAIRN_OK(store_->write(beneath));
    for (const auto& change : beneath) model_change(change);
    if (backend == Backend::over_memory || backend == Backend::over_rocksdb) {
      store_ = std::make_unique<MemoryStore>(std::move(store_));
    }
  }

  void write(const KeyValueChanges& changes) {
    ASSERT_CAIRN_OK(store_->write(changes));
    for (const auto& change : changes) model_change(change);
  }

  // What `direction` sees of the keys that start with `prefix`, from `start`.
  Rows walk(Direction direction, const std::string& prefix, const std::string& start, std::size_t limit = 1'000'000) {
    Rows rows;
    const auto visit = [&](std::string_view key, std::string_view value) -> Result<bool> {
      rows.emplace_back(key, value);
      return rows.size() < limit;
    };
    const Status walked = scan(direction, prefix, start, visit);
    EXPECT_TRUE(walked.ok()) << walked.error().message;
    return rows;
  }
  Status scan(Direction direction, const std::string& prefix, const std::string& start,
              const KeyValueStore::Visit& visit) {
    return direction == Direction::up ? store_->scan(prefix, start, visit) : store_->scan_below(prefix, start, visit);
  }
  Rows all(Direction direction) { return walk(direction, "", ""); }

  Rows expected(Direction direction, const std::string& prefix, const std::string& start,
                std::size_t limit = 1'000'000) const {
    Rows rows;
    for (const auto& [key, value] : model_) {
      const bool in_range = direction == Direction::up ? key >= start : start.empty() || key < start;
      if (key.starts_with(prefix) && in_range) rows.emplace_back(key, value);
    }
    if (direction == Direction::down) std::reverse(rows.begin(), rows.end());
    rows.resize(std::min(limit, rows.size()));
    return rows;
  }

  std::unique_ptr<KeyValueStore> store_;
  Sorted model_;

 private:
  std::unique_ptr<KeyValueStore> rocksdb() {
    const std::string folder = "index" + std::to_string(++folders_);
    EXPECT_TRUE(fs_.create_directory(folder).ok());
    const Guard guard;
    EXPECT_TRUE(write_guard(fs_, folder, guard).ok());
    auto checked = check_files(fs_, folder, guard);
    EXPECT_TRUE(checked.ok());
    return std::move(*open_rocksdb(fs_, folder, guard, std::move(*checked), Index::Access::read_write));
  }
  void model_change(const KeyValueChanges::value_type& change) {
    model_.erase(change.first);
    if (change.second) model_[change.first] = *change.second;
  }

  int folders_ = 0;
};

constexpr Direction kBoth[] = {Direction::up, Direction::down};

// Short, of few letters and often at the ends of the alphabet: prefixes of each other.
std::string random_key(std::mt19937_64& random) {
  constexpr char kLetters[] = {'\x00', 'a', 'b', '\xff'};
  std::string key;
  for (std::uint64_t length = random() % 5; length > 0; --length) key += kLetters[random() % std::size(kLetters)];
  return key;
}

KeyValueChanges random_changes(std::mt19937_64& random) {
  KeyValueChanges changes;
  for (std::uint64_t count = 1 + random() % 8; count > 0; --count) {
    changes.emplace_back(random_key(random), std::nullopt);
    if (random() % 3 != 0) changes.back().second = std::to_string(random() % 1'000);
  }
  return changes;
}

TEST_P(KeyValueStoreContract, WalksInBothDirectionsAreThoseOfASortedMap) {
  const std::uint64_t seed = test_seed(7);
  std::mt19937_64 random(seed);
  KeyValueChanges beneath;
  for (int i = 0; i < 40; ++i) std::ranges::copy(random_changes(random), std::back_inserter(beneath));
  ASSERT_NO_FATAL_FAILURE(make(beneath));
  for (int round = 0; round < (long_scale() ? 2'000 : 150); ++round) {
    SCOPED_TRACE(round);
    ASSERT_NO_FATAL_FAILURE(write(random_changes(random)));
    if (round % 50 == 49) {
      ASSERT_CAIRN_OK(store_->checkpoint({}));
    }
    for (int look = 0; look < 6; ++look) {
      const std::string prefix = random_key(random).substr(0, 2), start = random_key(random);
      const std::size_t limit = 1 + random() % 12;
      for (const Direction direction : kBoth) {
        ASSERT_EQ(walk(direction, prefix, start), expected(direction, prefix, start));
        ASSERT_EQ(walk(direction, prefix, start, limit), expected(direction, prefix, start, limit));
      }
      const auto last = store_->last_below(prefix, start);
      ASSERT_CAIRN_OK(last);
      const Rows below = expected(Direction::down, prefix, start, 1);
      ASSERT_EQ(last->has_value(), !below.empty());
      if (!*last) continue;
      ASSERT_EQ(std::pair((*last)->key, (*last)->value), below.front());
    }
  }
}

TEST_P(KeyValueStoreContract, AnEmptyBoundIsNone) {
  ASSERT_NO_FATAL_FAILURE(make({{"", "empty"}, {"a", "1"}, {"\xff\xff", "last"}}));
  ASSERT_NO_FATAL_FAILURE(write({{"a\xff", "2"}, {"b", "3"}, {"\xff", "4"}}));
  EXPECT_EQ(store_->last_below("", "").value()->key, "\xff\xff");
  EXPECT_EQ(store_->last_below("\xff", "").value()->key, "\xff\xff");
  EXPECT_EQ(store_->last_below("a", "").value()->key, "a\xff");
  EXPECT_EQ(store_->last_below("", "a").value()->key, "");
  EXPECT_EQ(all(Direction::down), expected(Direction::down, "", ""));
}

TEST_P(KeyValueStoreContract, AVisitorThatStopsIsNotCalledAgain) {
  ASSERT_NO_FATAL_FAILURE(make({{"a", "1"}, {"c", "3"}, {"e", "5"}}));
  ASSERT_NO_FATAL_FAILURE(write({{"b", "2"}, {"c", "three"}, {"d", std::nullopt}, {"f", "6"}}));
  for (const Direction direction : kBoth) {
    for (std::size_t limit = 1; limit <= model_.size(); ++limit) {
      EXPECT_EQ(walk(direction, "", "", limit), expected(direction, "", "", limit));
    }
  }
}

TEST_P(KeyValueStoreContract, AVisitorsErrorEndsAWalkWhereverItIs) {
  ASSERT_NO_FATAL_FAILURE(make({{"a", "1"}, {"c", "3"}, {"e", "5"}}));
  ASSERT_NO_FATAL_FAILURE(write({{"b", "2"}, {"c", "three"}, {"e", std::nullopt}, {"f", "6"}}));
  for (const Direction direction : kBoth) {
    for (std::size_t fail_at = 1; fail_at <= model_.size(); ++fail_at) {
      std::size_t visits = 0;
      const Status walked = scan(direction, "", "", [&](std::string_view, std::string_view) -> Result<bool> {
        if (++visits < fail_at) return true;
        return Error{.code = ErrorCode::cancelled, .message = "enough"};
      });
      ASSERT_FALSE(walked.ok());
      EXPECT_EQ(walked.error().code, ErrorCode::cancelled);
      EXPECT_EQ(visits, fail_at);
    }
  }
}

TEST_P(KeyValueStoreContract, AWalkSeesWhatWasThereWhenItBegan) {
  for (const Direction direction : kBoth) {
    model_.clear();
    ASSERT_NO_FATAL_FAILURE(make({{"b", "1"}, {"d", "2"}, {"f", "3"}, {"h", "4"}}));
    ASSERT_NO_FATAL_FAILURE(write({{"d", "two"}, {"f", std::nullopt}, {"g", "5"}}));
    const Rows began = all(direction);
    Rows seen;
    const auto visit = [&](std::string_view key, std::string_view value) -> Result<bool> {
      seen.emplace_back(key, value);
      // Moves what is ahead behind, changes what is ahead and behind, and adds between.
      const std::string number = std::to_string(seen.size());
      write({{"b", std::nullopt}, {"h", std::nullopt}, {"a" + number, "4"}, {"i" + number, "1"}});
      write({{"d", number}, {"g", number}, {"e" + number, "new"}, {"c", "new"}});
      write({{"c", std::nullopt}, {"g", std::nullopt}});
      EXPECT_EQ(all(direction), expected(direction, "", "")) << "a walk that begins now";
      return true;
    };
    ASSERT_CAIRN_OK(scan(direction, "", "", visit));
    EXPECT_EQ(seen, began);
    EXPECT_EQ(all(direction), expected(direction, "", ""));
  }
}

// Rows that are moved, each in one write: whoever walks finds every one of them once.
TEST_P(KeyValueStoreContract, NoWalkMissesARowThatAnotherThreadMoves) {
  constexpr int kRows = 20, kWalks = 20;
  const auto key = [](int row, bool high) { return (high ? "z" : "a") + std::to_string(100 + row); };
  KeyValueChanges beneath;
  for (int row = 0; row < kRows; ++row) beneath.emplace_back(key(row, row % 2 == 0), std::to_string(row));
  ASSERT_NO_FATAL_FAILURE(make(beneath));
  std::atomic<std::size_t> walking = std::size(kBoth);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> readers;
  for (const Direction direction : kBoth) {
    readers.emplace_back([&, direction] {
      for (int walk = 0; walk < kWalks; ++walk) {
        std::multiset<std::string> rows;
        const auto visit = [&](std::string_view, std::string_view row) -> Result<bool> {
          rows.emplace(row);
          std::this_thread::yield();
          return true;
        };
        if (!scan(direction, "", "", visit).ok() || rows.size() != kRows) ++wrong;
        for (int row = 0; row < kRows; ++row) wrong += rows.count(std::to_string(row)) == 1 ? 0 : 1;
      }
      --walking;
    });
  }
  for (int move = 0; walking > 0; ++move) {
    const int row = move % kRows;
    const bool high = (row % 2 == 0) == (move / kRows % 2 == 0);
    EXPECT_TRUE(store_->write({{key(row, high), std::nullopt}, {key(row, !high), std::to_string(row)}}).ok());
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(KeyValueStoreContract, WhatWasKeptForWalksIsFreedWithTheLastOfThem) {
  if (GetParam() == Backend::rocksdb) GTEST_SKIP() << "RocksDB's memory is its own";
  ASSERT_NO_FATAL_FAILURE(make({{"a", "1"}}));
  ASSERT_NO_FATAL_FAILURE(write({{"a", "0"}, {"b", "0"}}));
  const std::uint64_t before = store_->memory_bytes();
  const std::string large(100'000, 'x');
  const auto inner = [&](std::string_view, std::string_view) -> Result<bool> {
    write({{"a", large}, {"b", large}});
    write({{"a", "0"}, {"b", "0"}});
    return true;
  };
  ASSERT_CAIRN_OK(store_->scan("", "", [&](std::string_view, std::string_view) -> Result<bool> {
    CAIRN_CHECK(store_->scan_below("", "", inner));
    EXPECT_GT(store_->memory_bytes(), before) << "the outer walk needs what it began with";
    EXPECT_LT(store_->memory_bytes(), before + large.size()) << "nobody sees what came and went";
    return true;
  }));
  EXPECT_EQ(store_->memory_bytes(), before);
}

INSTANTIATE_TEST_SUITE_P(Backends, KeyValueStoreContract,
                         ::testing::Values(Backend::rocksdb, Backend::memory, Backend::over_memory,
                                           Backend::over_rocksdb),
                         [](const auto& param) {
                           switch (param.param) {
                             case Backend::rocksdb: return "rocksdb";
                             case Backend::memory: return "memory";
                             case Backend::over_memory: return "over_memory";
                             case Backend::over_rocksdb: return "over_rocksdb";
                           }
                           return "";
                         });

}  // namespace
}  // namespace cairn::testing
