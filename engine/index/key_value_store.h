// SPDX-License-Identifier: Apache-2.0
//
// What the index needs from whatever holds it: sorted keys with values, changed in atomic
// batches. RocksDB is one (rocksdb_index.cc), memory another (memory_store.h).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/index/index.h"

namespace cairn {

struct KeyValue {
  std::string key;
  std::string value;
};

// In order: of two changes to one key the later wins. No value: the key is deleted.
using KeyValueChanges = std::vector<std::pair<std::string, std::optional<std::string>>>;

// Reading is for any thread; write() and checkpoint() for one at a time, beside readers.
class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;

  virtual Result<std::optional<std::string>> get(std::string_view key) = 0;
  // Every key that starts with `prefix` and is not below `from`, bytewise ascending, until
  // the visitor returns false. It may read the store. Its error ends the scan and is returned.
  // What is visited is what was there when the scan began, whatever is written while it lasts.
  using Visit = std::function<Result<bool>(std::string_view key, std::string_view value)>;
  virtual Status scan(std::string_view prefix, std::string_view from, const Visit& visit) = 0;
  // The same of every key that starts with `prefix` and is less than `bound` (empty: of all
  // that start with it), bytewise descending.
  virtual Status scan_below(std::string_view prefix, std::string_view bound, const Visit& visit) = 0;
  // The first that scan_below() visits.
  Result<std::optional<KeyValue>> last_below(std::string_view prefix, std::string_view bound);

  // All or nothing.
  virtual Status write(const KeyValueChanges& changes) = 0;
  // Makes every write survive power loss. `applied` is what they bring the index to.
  virtual Status checkpoint(Position applied) = 0;
  // See Index::merge_entries(); of what lies from `from` up to `end`. Ends early, with false, when it or others take
  // more than `room_bytes` of the disk meanwhile. After an error that is not `poisoned` all is as it was.
  virtual Result<bool> merge(std::string_view from, std::string_view end, std::uint64_t room_bytes) {
    static_cast<void>(from);
    static_cast<void>(end);
    static_cast<void>(room_bytes);
    return false;
  }
  // See Index::retire().
  virtual void retire() = 0;

  virtual std::uint64_t memory_bytes() const = 0;
  virtual std::uint64_t written_bytes() const { return 0; }
};

// The least string greater than every string that starts with `prefix`; empty when there
// is none (the prefix is empty or all 0xff).
std::string end_of_prefix(std::string_view prefix);
// The same of those that are less than `bound`, too, unless that is empty.
std::string end_below(std::string_view prefix, std::string_view bound);

}  // namespace cairn
