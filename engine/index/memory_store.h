// SPDX-License-Identifier: Apache-2.0
//
// A key-value store in memory: on its own, the index of a store whose files are in doubt;
// over a base that it never changes, what a read-only opener has seen of the log's tail.
#pragma once

#include <map>
#include <shared_mutex>

#include "engine/index/key_value_store.h"

namespace cairn {

class MemoryStore final : public KeyValueStore {
 public:
  // Reads see `base`, where there is one, beneath what was written here.
  explicit MemoryStore(std::unique_ptr<KeyValueStore> base = nullptr) : base_(std::move(base)) {}

  Result<std::optional<std::string>> get(std::string_view key) override;
  // Sees each key as it is when the scan comes to it: writes may happen in between.
  Status scan(std::string_view prefix, std::string_view from, const Visit& visit) override;
  Result<std::optional<KeyValue>> last_below(std::string_view prefix, std::string_view bound) override;
  Status write(const KeyValueChanges& changes) override;
  void retire() override {}
  Status checkpoint(Position) override { return {}; }  // nothing here is meant to last
  std::uint64_t memory_bytes() const override;

 private:
  // A change: no value hides the base's.
  using Change = std::pair<std::string, std::optional<std::string>>;
  std::optional<Change> first_after(std::string_view key, bool or_equal) const;
  std::optional<Change> greatest_below(std::string_view bound) const;

  std::unique_ptr<KeyValueStore> base_;
  // Held for single steps only, so that a visitor may read while a writer waits.
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::optional<std::string>, std::less<>> changes_;
  std::uint64_t bytes_ = 0;
};

}  // namespace cairn
