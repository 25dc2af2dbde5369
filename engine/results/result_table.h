// SPDX-License-Identifier: Apache-2.0
//
// Results over the table of entries: what a key, a TTL and a serializer mean (cairn/results.h).
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/results.h"
#include "engine/results/access_counts.h"
#include "engine/results/entry_store.h"
#include "engine/results/result_value.h"

namespace cairn {

inline constexpr std::size_t kResultKeyBytesMax = 2048;

// Any number of threads. The calls are those of Results, with the namespace in front.
class ResultTable {
 public:
  using Check = std::function<Status(std::span<const std::byte>)>;
  using Values = std::vector<std::pair<std::string, ResultValue>>;

  explicit ResultTable(EntryStore& entries);

  Result<EntryStore::Written> put(std::string_view name_space, Values values, const ResultOptions& options);
  // The same, and waits until they are committed.
  Result<EntryStore::Written> commit(std::string_view name_space, Values values, const ResultOptions& options);
  // What a put writes, for whoever writes it together with something else. It counts as put.
  Result<std::vector<EntryChange>> prepare(std::string_view name_space, Values values, const ResultOptions& options);
  // What writes a value that another store has put, with the time and the cost that it has there, unless what is here
  // is the same, was put later, or is in memory only. conflict: another value was put here at the same time. A
  // serializer that is not known here is one for whoever reads it. It does not count as put.
  Result<std::optional<EntryChange>> bring(std::string_view name_space, std::string_view key,
                                           const ResultEnvelope& from);
  // unsupported: its serializer is not known here; invalid_argument: its bytes are not what that writes.
  Status check_value(std::string_view key, const ResultValue& value) const;
  Result<std::optional<ResultValue>> get(std::string_view name_space, std::string_view key);
  Result<bool> has(std::string_view name_space, std::string_view key);
  Result<std::optional<ResultInfo>> info(std::string_view name_space, std::string_view key);
  Result<ResultPage> list(std::string_view name_space, std::string_view cursor, std::size_t limit,
                          std::string_view glob);
  Result<std::uint64_t> remove(std::string_view name_space, std::string_view key);
  Result<std::uint64_t> remove_matching(std::string_view name_space, std::string_view glob);
  Result<std::uint64_t> remove_experiment(std::string_view name_space, const std::string& experiment);
  Result<std::uint64_t> remove_expired();
  Result<EvictReport> evict(const EvictOptions& options);
  Result<std::int64_t> add(std::string_view name_space, std::string_view key, std::int64_t by);
  Status register_serializer(const std::string& name, Check check);

  // Writes what was counted; for whoever closes the store.
  Status flush_accesses() { return accesses_.flush(); }
  ResultCounters counters() const;

 private:
  struct Found {
    ResultEnvelope envelope;
    std::uint64_t version = 0;
    bool memory_only = false;
    std::optional<Reference> content = {};  // of a value that is not in the envelope
  };
  // Nothing when it is not there, or its time is over.
  Result<std::optional<Found>> find(const std::string& entry_key);
  Result<std::optional<Found>> opened(const Entry& entry) const;
  // With its bytes, wherever they are.
  Result<std::optional<Found>> find_whole(const std::string& entry_key);
  Result<ResultInfo> info_of(std::string_view key, const std::string& entry_key, const Found& found);
  Result<std::vector<EntryChange>> changes_of(std::string_view name_space, Values values, const ResultOptions& options);
  Result<EntryChange> change_of(std::string_view name_space, std::string_view key, ResultValue value,
                                const ResultOptions& options);
  // What writes an envelope, with its index keys.
  Result<EntryChange> change_of(std::string entry_key, ResultEnvelope envelope, bool memory_only);
  // How many of them there were, and went.
  using Goes = std::function<bool(const Found& found)>;
  Result<std::uint64_t> remove_entries(const std::vector<std::string>& entry_keys, const Goes& goes);

  struct Candidate;
  Result<double> eviction_clock();
  Result<std::vector<Candidate>> least_worth(std::uint64_t bytes);
  Status evict_candidates(std::vector<Candidate> candidates, EvictReport& report);

  EntryStore& entries_;
  AccessCounts accesses_;
  std::mutex evicting_;     // held by the one that evicts
  std::mutex clock_mutex_;  // of reading the clock for the first time
  std::atomic<bool> clock_is_known_ = false;
  std::atomic<double> eviction_clock_ = 0;
  mutable std::shared_mutex serializers_mutex_;
  std::map<std::string, Check, std::less<>> serializers_;
  std::atomic<std::uint64_t> puts_ = 0, hits_ = 0, misses_ = 0, removed_ = 0, expired_ = 0, evicted_ = 0;
};

// '*' is any number of characters, '?' one; everything else is itself.
bool matches_glob(std::string_view glob, std::string_view text);

}  // namespace cairn
