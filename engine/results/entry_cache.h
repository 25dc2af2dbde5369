// SPDX-License-Identifier: Apache-2.0
//
// The memory tier of committed entries, bounded in bytes. What is read once passes through
// without pushing out what is read again and again: S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi,
// "FIFO queues are all you need for cache eviction", SOSP 2023).
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "engine/results/entry_store.h"
#include "engine/results/hash_slots.h"

namespace cairn {

struct EntryCacheStats {
  std::uint64_t hits = 0, misses = 0, evicted = 0;
  std::uint64_t entries = 0, bytes = 0;
};

// Any number of threads.
class EntryCache {
 public:
  // 0: keeps nothing.
  explicit EntryCache(std::uint64_t limit_bytes);

  EntryPtr find(std::string_view key);  // null: it is not here
  // What was read elsewhere. Not kept when the key has changed since `ticket`, which was taken
  // before it was read: somebody may have written meanwhile.
  std::uint64_t ticket(std::string_view key);
  void insert(std::string_view key, EntryPtr entry, std::uint64_t ticket);
  // The key has changed; null: it is gone.
  void change(std::string_view key, EntryPtr entry);

  void set_limit(std::uint64_t limit_bytes);
  std::uint64_t limit() const;
  EntryCacheStats stats() const;

 private:
  struct Kept;
  using Queue = std::list<Kept>;
  struct Kept {
    std::string key;
    std::uint64_t hash = 0;  // of the key
    EntryPtr entry;
    std::uint64_t bytes = 0;
    unsigned uses = 0;  // since it came, or was last passed over; at most 3
    bool main = false;  // in which queue
    Queue::iterator place = {};
  };
  struct Shard {
    mutable std::mutex mutex;
    std::uint64_t limit = 0;
    Queue small, main;  // the oldest first
    std::uint64_t small_bytes = 0, main_bytes = 0;
    // By the hash of the key: of two that share one, which are never seen, the later is here.
    HashSlots<Kept> by_hash;
    // Fingerprints of what left `small` unread: what comes back soon goes to `main` at once.
    std::list<std::uint64_t> ghosts;
    std::unordered_set<std::uint64_t> ghost_set;
    std::uint64_t changes = 0;
    EntryCacheStats stats;

    void put(std::string_view key, std::uint64_t hash, EntryPtr entry);
    void erase(std::uint64_t hash);
    void make_room();
    void evict_small();
    void evict_main();
  };
  static constexpr std::size_t kShards = 16;

  Shard& shard_of(std::uint64_t hash) { return shards_[hash >> 60]; }

  std::array<Shard, kShards> shards_;
};

}  // namespace cairn
