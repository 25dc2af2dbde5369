// SPDX-License-Identifier: Apache-2.0
//
// A key-value store in memory: on its own, the index of a store whose files are in doubt;
// over a base that it never changes, what a read-only opener has seen of the log's tail.
#pragma once

#include "engine/index/key_value_store.h"
#include "engine/index/versioned_map.h"

namespace cairn {

class MemoryStore final : public KeyValueStore {
 public:
  // Reads see `base`, where there is one, beneath what was written here. Nobody changes it.
  explicit MemoryStore(std::unique_ptr<KeyValueStore> base = nullptr) : base_(std::move(base)) {}

  Result<std::optional<std::string>> get(std::string_view key) override;
  Status scan(std::string_view prefix, std::string_view from, const Visit& visit) override;
  Status scan_below(std::string_view prefix, std::string_view bound, const Visit& visit) override;
  Status write(const KeyValueChanges& changes) override;
  void retire() override {}
  Status checkpoint(Position) override { return {}; }  // nothing here is meant to last
  std::uint64_t memory_bytes() const override;

 private:
  enum class Direction { up, down };
  // From `start`: included upwards, not so downwards, where it may be empty (from the last).
  Status walk(Direction direction, std::string_view prefix, std::string_view start, const Visit& visit);

  std::unique_ptr<KeyValueStore> base_;
  VersionedMap changes_;  // deletions, too, where there is a base that has the key
};

}  // namespace cairn
