// SPDX-License-Identifier: Apache-2.0
//
// One run of reclaiming over a store, step by step: see engine/reclaim/reclaimer.h.
#pragma once

#include <mutex>
#include <optional>

#include "api/src/store_impl.h"
#include "engine/reclaim/reclaimer.h"

namespace cairn {

// At most one exists of a store: making another waits. Each step has the log's turn to itself,
// and whoever wants to write comes between.
class GcRun {
 public:
  GcRun(StoreImpl& store, double max_dead);

  // False when nothing more is to be done.
  Result<bool> step();
  // After the last step: merges what the index has of entries, where the disk has room for it.
  Status merge_entries();
  // What a run would do now: changes nothing.
  Result<ReclaimCounters> plan();

  ReclaimCounters counters() const { return reclaimer_ ? reclaimer_->counters() : ReclaimCounters{}; }
  std::vector<std::string> damaged() const { return reclaimer_ ? reclaimer_->damaged() : std::vector<std::string>(); }

 private:
  Reclaimer& reclaimer(LogWriter& log);

  StoreImpl& store_;
  const std::unique_lock<std::mutex> alone_;
  const double max_dead_;
  std::optional<Reclaimer> reclaimer_;
};

}  // namespace cairn
