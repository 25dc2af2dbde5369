// SPDX-License-Identifier: Apache-2.0
//
// Entries that are in memory and nowhere else, bounded in bytes. Which goes when room is needed:
// SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is simpler than LRU", NSDI 2024). What was
// read since the hand last passed stays for another round; reading moves nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/results/entry_store.h"

namespace cairn {

// Whoever has it guards it: what is const needs a shared lock, the rest a lock of its own.
class MemoryOnlyEntries {
 public:
  struct Stats {
    std::uint64_t hits = 0, evicted = 0;
    std::uint64_t entries = 0, bytes = 0;
  };
  // Of entries by key, or of index keys with the keys that have them.
  struct Row {
    std::string place;  // a key or an index key
    std::string key;
    EntryPtr entry;  // nothing: it is an index key's
  };

  explicit MemoryOnlyEntries(std::uint64_t limit_bytes) : limit_(limit_bytes) {}

  // What an entry costs with everything about it; no more than limit() fits.
  static std::uint64_t bytes_of(std::string_view key, std::string_view value,
                                const std::vector<std::string>& index_keys);
  std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }  // any thread
  void set_limit(std::uint64_t limit_bytes);

  // A use of it.
  EntryPtr find(std::string_view key) const;
  bool contains(std::string_view key) const { return entries_.contains(key); }
  // In the place of one that has this key. Others go to make room.
  void put(const std::string& key, Entry entry, std::vector<std::string> index_keys);
  void erase(std::string_view key);

  // What a scan finds here, in its order.
  std::vector<Row> scan(std::string_view prefix, EntryStore::Order order, std::string_view from) const;
  std::vector<Row> scan_index(std::string_view prefix, EntryStore::Order order, std::string_view from) const;

  std::size_t size() const noexcept { return entries_.size(); }
  std::uint64_t bytes() const noexcept { return bytes_; }
  Stats stats() const;

 private:
  struct Kept;
  using Entries = std::map<std::string, Kept, std::less<>>;
  using Queue = std::list<Entries::iterator>;  // the newest first
  struct Kept {
    EntryPtr entry;
    std::vector<std::string> index_keys;
    std::uint64_t bytes = 0;
    Queue::iterator queued = {};
    mutable std::atomic<bool> used = false;
  };

  void erase(Entries::iterator found);
  void evict_one();

  std::atomic<std::uint64_t> limit_;
  Entries entries_;
  std::set<std::pair<std::string, std::string>> index_;
  Queue queue_;
  Queue::iterator hand_ = queue_.end();  // goes from the oldest to the newest; end: begins again
  std::uint64_t bytes_ = 0, evicted_ = 0;
  mutable std::atomic<std::uint64_t> hits_ = 0;
};

// Rows of memory that are visited among those of the disk, which come in the same order.
class MemoryOnlyWalk {
 public:
  using Row = MemoryOnlyEntries::Row;
  MemoryOnlyWalk(EntryStore::Order order, std::vector<Row> rows) : order_(order), rows_(std::move(rows)) {}

  // The next row, when it is not behind this place.
  const Row* not_behind(std::string_view place, std::string_view key);
  // The next of those that are left.
  const Row* next() { return next_ < rows_.size() ? &rows_[next_++] : nullptr; }

 private:
  const EntryStore::Order order_;
  const std::vector<Row> rows_;
  std::size_t next_ = 0;
};

}  // namespace cairn
