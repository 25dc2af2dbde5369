// SPDX-License-Identifier: Apache-2.0
//
// What a batch's entries change in the index: each takes the place of the one before it, and of
// the index keys that led there.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "engine/index/key_value_store.h"
#include "engine/index/keys.h"

namespace cairn {

// For one batch, in the order of the log.
class EntryChanges {
 public:
  explicit EntryChanges(KeyValueStore& store) : store_(store) {}

  // Called with the entry that is there no longer.
  using Gone = std::function<Status(const Placed<StoredEntry>& old)>;
  // True when it changes anything: what was applied before does not.
  Result<bool> add(const Placed<StoredEntry>& entry, const Gone& gone = {});
  void take(KeyValueChanges& changes);

 private:
  KeyValueStore& store_;
  std::map<std::string, std::optional<std::string>> values_;
};

}  // namespace cairn
