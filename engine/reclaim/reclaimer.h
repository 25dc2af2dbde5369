// SPDX-License-Identifier: Apache-2.0
//
// Gives back the space of what nothing refers to any more. What is live in a segment is
// appended to the log again, with its own sequence numbers; then, in this order, the log is
// synced, the index points at the new places, the index is durable, the segment is removed.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "engine/reclaim/carried.h"
#include "engine/reclaim/held_content.h"
#include "engine/reclaim/reclaim_parts.h"
#include "engine/reclaim/segment_choice.h"
#include "engine/reclaim/segment_copy.h"

namespace cairn {

struct ReclaimCounters {
  std::uint64_t freed_bytes = 0;  // of the disk, of removed segments
  std::uint64_t moved_bytes = 0;  // payloads that were carried
  std::uint64_t dead_bytes = 0;   // that are left
  std::uint64_t segments = 0;     // removed
};

// One run over the segments that exist when it begins. Each step is for whoever has the
// log's turn; between steps others may write.
class Reclaimer {
 public:
  // `max_dead`: the share of the log's records that may stay dead, 0 to 1.
  Reclaimer(const ReclaimParts& parts, double max_dead) : parts_(parts), chooser_(parts_, max_dead) {}
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;

  // A bounded step; false when nothing more is to be done. `held` is what somebody relies
  // on without a ref or a root: it is treated as live, with everything below it.
  Result<bool> step(const std::vector<Reference>& held);
  // What a run would do now: changes nothing.
  Result<ReclaimCounters> plan();

  const ReclaimCounters& counters() const noexcept { return counters_; }
  // Of segments that were left alone because they are damaged.
  const std::vector<std::string>& damaged() const noexcept { return damaged_; }

 private:
  using Clock = std::chrono::steady_clock;

  Status forget_dead_objects();
  Result<bool> work();
  Result<bool> choose();
  Status copy();
  void leave_alone(const std::string& why);
  bool budget_is_spent() const;
  // `remove`: also what has been emptied.
  Status commit(bool remove);
  Result<std::optional<ReclaimedRecord>> append_reclaimed();
  Status remove_emptied();

  const ReclaimParts parts_;
  SegmentChooser chooser_;
  HeldContent held_;
  Carried carried_;
  std::optional<SegmentCopy> copy_;     // the segment at hand
  std::vector<std::uint32_t> emptied_;  // nothing in them is needed once commit() has returned
  bool durable_ = false;                // the index no longer needs what is in emptied_
  ReclaimCounters counters_;
  std::vector<std::string> damaged_;

  // When the step at hand began.
  Clock::time_point began_;
  std::uint64_t carried_before_ = 0;
};

}  // namespace cairn
