// SPDX-License-Identifier: Apache-2.0
#include "engine/index/memory_store.h"

#include <algorithm>

namespace cairn {

Result<std::optional<std::string>> MemoryStore::get(std::string_view key) {
  if (auto changed = changes_.get(key)) return *std::move(changed);
  if (base_) return base_->get(key);
  return std::optional<std::string>();
}

Status MemoryStore::scan(std::string_view prefix, std::string_view from, const Visit& visit) {
  return walk(Direction::up, prefix, std::max(prefix, from), visit);
}

Status MemoryStore::scan_below(std::string_view prefix, std::string_view bound, const Visit& visit) {
  return walk(Direction::down, prefix, end_below(prefix, bound), visit);
}

Status MemoryStore::walk(Direction direction, std::string_view prefix, std::string_view start, const Visit& visit) {
  const bool up = direction == Direction::up;
  const VersionedMap::Moment moment(changes_);
  const auto after = [&](std::string_view key) { return up ? moment.above(key) : moment.below(key); };
  std::optional<VersionedMap::Change> next =
      up ? moment.not_below(start) : (start.empty() ? moment.last() : moment.below(start));
  bool more = true;
  // Visits the changes on the way to `key`, or all of them, and leaves `next` behind them.
  const auto visit_changes = [&](const std::string_view* key) -> Status {
    const auto is_on_the_way = [&] { return key == nullptr || (up ? next->first < *key : next->first > *key); };
    while (more && next && next->first.starts_with(prefix) && is_on_the_way()) {
      if (next->second) {
        CAIRN_TRY(more, visit(next->first, *next->second));
      }
      next = after(next->first);
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
    next = after(key);
    return more;
  };
  if (base_) CAIRN_CHECK(up ? base_->scan(prefix, start, visit_base) : base_->scan_below(prefix, start, visit_base));
  return visit_changes(nullptr);
}

Status MemoryStore::write(const KeyValueChanges& changes) {
  changes_.write(changes, base_ != nullptr);
  return {};
}

std::uint64_t MemoryStore::memory_bytes() const {
  return changes_.memory_bytes() + (base_ ? base_->memory_bytes() : 0);
}

}  // namespace cairn
