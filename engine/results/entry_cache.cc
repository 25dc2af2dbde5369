// SPDX-License-Identifier: Apache-2.0
#include "engine/results/entry_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/content/digester.h"

namespace cairn {
namespace {

// Of each shard's limit, the part that new entries have, in per cent.
constexpr std::uint64_t kSmallShare = 10;
constexpr unsigned kUsesMax = 3;
// What an entry costs beside its bytes: nodes, strings, the map.
constexpr std::uint64_t kEntryBytes = 192;

std::uint64_t hash_of(std::string_view key) { return checksum_of(as_bytes(key)); }

std::uint64_t bytes_of(std::string_view key, const Entry& entry) {
  return kEntryBytes + key.size() + entry.value.size() + entry.references.size() * sizeof(Reference);
}

}  // namespace

EntryCache::EntryCache(std::uint64_t limit_bytes) { set_limit(limit_bytes); }

EntryPtr EntryCache::find(std::string_view key) {
  const std::uint64_t hash = hash_of(key);
  Shard& shard = shard_of(hash);
  const std::lock_guard lock(shard.mutex);
  Kept* const kept = shard.by_hash.find(hash);
  if (kept == nullptr || kept->key != key) {
    ++shard.stats.misses;
    return nullptr;
  }
  ++shard.stats.hits;
  kept->uses = std::min(kept->uses + 1, kUsesMax);
  return kept->entry;
}

std::uint64_t EntryCache::ticket(std::string_view key) {
  Shard& shard = shard_of(hash_of(key));
  const std::lock_guard lock(shard.mutex);
  return shard.changes;
}

void EntryCache::insert(std::string_view key, EntryPtr entry, std::uint64_t ticket) {
  const std::uint64_t hash = hash_of(key);
  Shard& shard = shard_of(hash);
  const std::lock_guard lock(shard.mutex);
  if (shard.changes == ticket && shard.by_hash.find(hash) == nullptr) shard.put(key, hash, std::move(entry));
}

void EntryCache::change(std::string_view key, EntryPtr entry) {
  const std::uint64_t hash = hash_of(key);
  Shard& shard = shard_of(hash);
  const std::lock_guard lock(shard.mutex);
  ++shard.changes;
  shard.erase(hash);
  if (entry) shard.put(key, hash, std::move(entry));
}

void EntryCache::set_limit(std::uint64_t limit_bytes) {
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    shard.limit = limit_bytes / kShards;
    shard.make_room();
  }
}

std::uint64_t EntryCache::limit() const {
  const std::lock_guard lock(shards_.front().mutex);
  return shards_.front().limit * kShards;
}

EntryCacheStats EntryCache::stats() const {
  EntryCacheStats all;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    all.hits += shard.stats.hits;
    all.misses += shard.stats.misses;
    all.evicted += shard.stats.evicted;
    all.entries += shard.by_hash.size();
    all.bytes += shard.small_bytes + shard.main_bytes;
  }
  return all;
}

void EntryCache::Shard::put(std::string_view key, std::uint64_t hash, EntryPtr entry) {
  const std::uint64_t bytes = bytes_of(key, *entry);
  if (bytes > limit) return;
  const bool again = ghost_set.contains(hash);
  Queue& queue = again ? main : small;
  (again ? main_bytes : small_bytes) += bytes;
  queue.push_back({.key = std::string(key), .hash = hash, .entry = std::move(entry), .bytes = bytes, .main = again});
  queue.back().place = std::prev(queue.end());
  by_hash.insert(hash, &queue.back());
  make_room();
}

void EntryCache::Shard::erase(std::uint64_t hash) {
  Kept* const kept = by_hash.find(hash);
  if (kept == nullptr) return;
  by_hash.erase(hash);
  (kept->main ? main_bytes : small_bytes) -= kept->bytes;
  (kept->main ? main : small).erase(kept->place);
}

void EntryCache::Shard::make_room() {
  while (small_bytes + main_bytes > limit) {
    if (!small.empty() && (small_bytes * 100 > limit * kSmallShare || main.empty())) {
      evict_small();
    } else {
      evict_main();
    }
  }
}

// What was read again while it was new moves on; what was not is remembered by its fingerprint.
void EntryCache::Shard::evict_small() {
  Kept& oldest = small.front();
  small_bytes -= oldest.bytes;
  if (oldest.uses > 0) {
    oldest.uses = 0;
    oldest.main = true;
    main_bytes += oldest.bytes;
    main.splice(main.end(), small, small.begin());
    return;
  }
  if (ghost_set.insert(oldest.hash).second) ghosts.push_back(oldest.hash);
  while (ghosts.size() > main.size() + small.size()) {
    ghost_set.erase(ghosts.front());
    ghosts.pop_front();
  }
  by_hash.erase(oldest.hash);
  small.pop_front();
  ++stats.evicted;
}

// What was read since it was last here goes round once more.
void EntryCache::Shard::evict_main() {
  Kept& oldest = main.front();
  if (oldest.uses > 0) {
    --oldest.uses;
    main.splice(main.end(), main, main.begin());
    return;
  }
  main_bytes -= oldest.bytes;
  by_hash.erase(oldest.hash);
  main.pop_front();
  ++stats.evicted;
}

}  // namespace cairn
