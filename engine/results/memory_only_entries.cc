// SPDX-License-Identifier: Apache-2.0
#include "engine/results/memory_only_entries.h"

#include <algorithm>

namespace cairn {
namespace {

// What an entry, and an index key, costs beside its bytes: nodes, strings, counts.
constexpr std::uint64_t kEntryBytes = 320;
constexpr std::uint64_t kIndexKeyBytes = 160;

}  // namespace

std::uint64_t MemoryOnlyEntries::bytes_of(std::string_view key, std::string_view value,
                                          const std::vector<std::string>& index_keys) {
  std::uint64_t bytes = kEntryBytes + key.size() + value.size();
  for (const std::string& index_key : index_keys) bytes += kIndexKeyBytes + 2 * index_key.size() + key.size();
  return bytes;
}

void MemoryOnlyEntries::set_limit(std::uint64_t limit_bytes) {
  limit_ = limit_bytes;
  while (bytes_ > limit_bytes) evict_one();
}

EntryPtr MemoryOnlyEntries::find(std::string_view key) const {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  found->second.used.store(true, std::memory_order_relaxed);
  hits_.fetch_add(1, std::memory_order_relaxed);
  return found->second.entry;
}

void MemoryOnlyEntries::put(const std::string& key, Entry entry, std::vector<std::string> index_keys) {
  const std::uint64_t bytes = bytes_of(key, entry.value, index_keys);
  erase(key);
  if (bytes > limit()) {
    ++evicted_;
    return;
  }
  while (bytes_ + bytes > limit()) evict_one();
  const auto kept = entries_.try_emplace(key).first;
  kept->second.entry = std::make_shared<const Entry>(std::move(entry));
  for (const std::string& index_key : index_keys) index_.emplace(index_key, key);
  kept->second.index_keys = std::move(index_keys);
  kept->second.bytes = bytes;
  kept->second.queued = queue_.insert(queue_.begin(), kept);
  bytes_ += bytes;
}

void MemoryOnlyEntries::erase(std::string_view key) {
  if (const auto found = entries_.find(key); found != entries_.end()) erase(found);
}

void MemoryOnlyEntries::erase(Entries::iterator found) {
  const Kept& kept = found->second;
  // The hand goes on to what is newer.
  if (hand_ == kept.queued) hand_ = hand_ == queue_.begin() ? queue_.end() : std::prev(hand_);
  for (const std::string& index_key : kept.index_keys) index_.erase({index_key, found->first});
  bytes_ -= kept.bytes;
  queue_.erase(kept.queued);
  entries_.erase(found);
}

// Ends: the hand forgets each use that it passes.
void MemoryOnlyEntries::evict_one() {
  for (;;) {
    if (hand_ == queue_.end()) hand_ = std::prev(queue_.end());
    if (!(*hand_)->second.used.exchange(false, std::memory_order_relaxed)) break;
    hand_ = hand_ == queue_.begin() ? queue_.end() : std::prev(hand_);
  }
  erase(*hand_);
  ++evicted_;
}

std::vector<MemoryOnlyEntries::Row> MemoryOnlyEntries::scan(std::string_view prefix, EntryStore::Order order,
                                                            std::string_view from) const {
  const bool ascending = order == EntryStore::Order::ascending;
  std::vector<Row> rows;
  auto at = entries_.lower_bound(ascending ? std::max(prefix, from) : prefix);
  for (; at != entries_.end() && at->first.starts_with(prefix); ++at) {
    if (!ascending && !from.empty() && at->first > from) break;
    rows.push_back({.place = at->first, .key = at->first, .entry = at->second.entry});
  }
  if (!ascending) std::ranges::reverse(rows);
  return rows;
}

std::vector<MemoryOnlyEntries::Row> MemoryOnlyEntries::scan_index(std::string_view prefix, EntryStore::Order order,
                                                                  std::string_view from) const {
  const bool ascending = order == EntryStore::Order::ascending;
  std::vector<Row> rows;
  auto at = index_.lower_bound({std::string(ascending ? std::max(prefix, from) : prefix), {}});
  for (; at != index_.end() && at->first.starts_with(prefix); ++at) {
    if (!ascending && !from.empty() && at->first > from) break;
    rows.push_back({.place = at->first, .key = at->second, .entry = nullptr});
  }
  if (!ascending) std::ranges::reverse(rows);
  return rows;
}

MemoryOnlyEntries::Stats MemoryOnlyEntries::stats() const {
  return {.hits = hits_, .evicted = evicted_, .entries = entries_.size(), .bytes = bytes_};
}

const MemoryOnlyEntries::Row* MemoryOnlyWalk::not_behind(std::string_view place, std::string_view key) {
  if (next_ == rows_.size()) return nullptr;
  using Place = std::pair<std::string_view, std::string_view>;
  const Place here(rows_[next_].place, rows_[next_].key);
  const Place there(place, key);
  const bool is_behind = order_ == EntryStore::Order::ascending ? here > there : here < there;
  return is_behind ? nullptr : next();
}

}  // namespace cairn
