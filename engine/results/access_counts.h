// SPDX-License-Identifier: Apache-2.0
//
// How often results were read, and when last: counted in memory, and written with many others now
// and then by a thread of the store. A read costs no write, and no look at what was written.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

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
  // Results whose reads are counted at once, and again as many whose counts are being written.
  static constexpr std::size_t kCountedMax = 65'536;

  explicit AccessCounts(EntryStore& entries) : state_(std::make_shared<State>(entries)) {}

  // `key` is that of the result's entry. Where different results are read faster than counts can be written, those
  // that find no room are not counted.
  void note(const std::string& key, std::int64_t now_ns, double eviction_clock = 0);
  Result<ResultAccess> of(const std::string& key) { return state_->of(key); }
  // The change with which a result's removal forgets them.
  EntryChange removal(const std::string& key);
  // Once that is accepted: what was counted meanwhile is nobody's.
  void removed(const std::string& key) { state_->forget(key); }
  // Writes what was counted since the last time. What there is no room for now waits for the next; what cannot be
  // written otherwise is forgotten. Memory is bounded.
  Status flush();

 private:
  using Counted = std::pair<std::string, ResultAccess>;
  // Outlives this where the store's thread is at work on it.
  struct State {
    explicit State(EntryStore& of) : entries(of) {}

    Result<ResultAccess> of(const std::string& key);
    Result<ResultAccess> written(const std::string& key);
    void forget(const std::string& key);
    void take_batch();
    // A small part of what there is; false when nothing is left. By whoever holds `writing`.
    Result<bool> write_part();
    Status write(const std::vector<Counted>& part);
    // What the store's thread does; whether there is more.
    bool work();
    // With the mutex: notes into `counted`.
    void count_notes();
    // The same of those of the batch that are not written yet.
    Counted* in_batch(const std::string& key);

    EntryStore& entries;
    std::mutex writing;

    std::mutex noting;   // of what follows; held for moments, whatever else goes on
    std::string notes;   // of reads that are not in `counted` yet, one behind the other
    bool asked = false;  // the store's thread is at it, or will be

    std::mutex mutex;  // of what follows
    std::unordered_map<std::string, ResultAccess> counted;
    std::vector<Counted> batch;  // taken out of `counted`, by key
    std::size_t batch_next = 0;  // those before it are written
    std::uint64_t parts = 0;     // that were written, counted
    bool part_is_going = false;  // into the store: nobody knows whether it is there
    std::condition_variable gone;
  };

  const std::shared_ptr<State> state_;
};

}  // namespace cairn
