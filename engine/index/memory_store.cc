// SPDX-License-Identifier: Apache-2.0
#include "engine/index/memory_store.h"

#include <algorithm>
#include <mutex>

namespace cairn {
namespace {

// What one entry of the map costs beside its bytes: the node, two strings, the allocator.
constexpr std::uint64_t kEntryBytes = 128;

}  // namespace

std::string end_of_prefix(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (!end.empty()) ++end.back();
  return end;
}

Result<std::optional<std::string>> MemoryStore::get(std::string_view key) {
  {
    const std::shared_lock lock(mutex_);
    if (const auto found = changes_.find(key); found != changes_.end()) return found->second;
  }
  if (base_) return base_->get(key);
  return std::optional<std::string>();
}

std::optional<MemoryStore::Change> MemoryStore::first_after(std::string_view key, bool or_equal) const {
  const std::shared_lock lock(mutex_);
  const auto found = or_equal ? changes_.lower_bound(key) : changes_.upper_bound(key);
  if (found == changes_.end()) return std::nullopt;
  return *found;
}

std::optional<MemoryStore::Change> MemoryStore::greatest_below(std::string_view bound) const {
  const std::shared_lock lock(mutex_);
  auto found = changes_.lower_bound(bound);
  if (found == changes_.begin()) return std::nullopt;
  return *--found;
}

Status MemoryStore::scan(std::string_view prefix, std::string_view from, const Visit& visit) {
  std::optional<Change> next = first_after(std::max(prefix, from), true);
  bool more = true;
  // Visits the changes below `bound`, or all of them, and leaves `next` after them.
  const auto visit_changes = [&](const std::string_view* bound) -> Status {
    while (more && next && next->first.starts_with(prefix) && (bound == nullptr || next->first < *bound)) {
      if (next->second) {
        CAIRN_TRY(more, visit(next->first, *next->second));
      }
      next = first_after(next->first, false);
    }
    return {};
  };
  const auto visit_base = [&](std::string_view key, std::string_view value) -> Result<bool> {
    CAIRN_CHECK(visit_changes(&key));
    if (!more) return false;
    const bool changed = next && next->first == key;
    if (!changed) {
      CAIRN_TRY(more, visit(key, value));
      return more;
    }
    if (next->second) {
      CAIRN_TRY(more, visit(key, *next->second));
    }
    next = first_after(key, false);
    return more;
  };
  if (base_) CAIRN_CHECK(base_->scan(prefix, from, visit_base));
  return visit_changes(nullptr);
}

Result<std::optional<KeyValue>> MemoryStore::last_below(std::string_view prefix, std::string_view bound) {
  std::string below(bound);
  for (;;) {
    std::optional<Change> change = greatest_below(below);
    if (change && !change->first.starts_with(prefix)) change.reset();
    std::optional<KeyValue> beneath;
    if (base_) {
      CAIRN_TRY(beneath, base_->last_below(prefix, below));
    }
    if (!change || (beneath && beneath->key > change->first)) return beneath;
    if (change->second) return std::optional(KeyValue{change->first, std::move(*change->second)});
    below = change->first;  // deleted: the next lower one may be the answer
  }
}

Status MemoryStore::write(const KeyValueChanges& changes) {
  const std::unique_lock lock(mutex_);
  for (const auto& [key, value] : changes) {
    const auto found = changes_.find(key);
    if (found != changes_.end()) bytes_ -= found->second ? found->second->size() : 0;
    if (!value && !base_) {
      if (found == changes_.end()) continue;
      bytes_ -= key.size() + kEntryBytes;
      changes_.erase(found);
      continue;
    }
    if (found == changes_.end()) bytes_ += key.size() + kEntryBytes;
    bytes_ += value ? value->size() : 0;
    changes_.insert_or_assign(key, value);
  }
  return {};
}

std::uint64_t MemoryStore::memory_bytes() const {
  const std::shared_lock lock(mutex_);
  return bytes_ + (base_ ? base_->memory_bytes() : 0);
}

}  // namespace cairn
