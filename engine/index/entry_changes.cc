// SPDX-License-Identifier: Apache-2.0
#include "engine/index/entry_changes.h"

#include <utility>

#include "engine/base/errors.h"

namespace cairn {

Result<bool> EntryChanges::add(const Placed<StoredEntry>& entry, const Gone& gone) {
  std::string key = entry_key(entry.key);
  std::optional<std::string> before;
  if (const auto changed = values_.find(key); changed != values_.end()) {
    before = changed->second;
  } else {
    CAIRN_TRY(before, store_.get(key));
  }
  std::optional<std::string> now;
  if (!entry.removed) now = encode_placed(entry.place, encode_entry_body(entry));
  if (before && before == now) return false;
  if (before) {
    CAIRN_TRY(const auto old, decode_placed_entry(entry.key, *before));
    for (const std::string& index_key : old.index_keys) values_[index_key_key(index_key, entry.key)].reset();
    if (gone) CAIRN_CHECK(gone(old));
  }
  for (const std::string& index_key : entry.index_keys) values_[index_key_key(index_key, entry.key)].emplace();
  values_[std::move(key)] = std::move(now);
  return true;
}

void EntryChanges::take(KeyValueChanges& changes) {
  for (auto& [key, value] : values_) changes.emplace_back(key, std::move(value));
  values_.clear();
}

}  // namespace cairn
