// SPDX-License-Identifier: Apache-2.0
//
// How often results were read, and when last: counted in memory, and written with many others now
// and then. A read costs no write.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "engine/results/entry_store.h"

namespace cairn {

struct ResultAccess {
  std::uint64_t count = 0;
  std::int64_t last_ns = 0;   // wall clock; for people
  double eviction_clock = 0;  // at the last one (result_eviction.h)
};

// Any number of threads.
class AccessCounts {
 public:
  explicit AccessCounts(EntryStore& entries) : entries_(entries) {}

  // `key` is that of the result's entry.
  void note(const std::string& key, std::int64_t now_ns, double eviction_clock = 0);
  Result<ResultAccess> of(const std::string& key);
  // The change with which a result's removal forgets them.
  EntryChange removal(const std::string& key);
  // Writes what was counted since the last time. What cannot be written is forgotten: memory is bounded.
  Status flush();

 private:
  Result<ResultAccess> written(const std::string& key);

  EntryStore& entries_;
  std::mutex flushing_;
  std::mutex mutex_;
  std::unordered_map<std::string, ResultAccess> counted_;  // since they were written
};

}  // namespace cairn
