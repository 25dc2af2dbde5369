// SPDX-License-Identifier: Apache-2.0
//
// Which segment is to be emptied next.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "engine/reclaim/held_content.h"
#include "engine/reclaim/reclaim_parts.h"

namespace cairn {

struct SegmentChoice {
  std::uint32_t segment = 0;
  SegmentUse use;
};

class SegmentChooser {
 public:
  // `max_dead`: the share of the log's records that may stay dead, 0 to 1.
  SegmentChooser(const ReclaimParts& parts, double max_dead);

  // Segments behind this one, the last one when the run began, are not looked at.
  std::uint32_t last() const noexcept { return last_; }
  // For the rest of the run.
  void leave_alone(std::uint32_t segment) { left_alone_.insert(segment); }

  // All segments of the log, ascending.
  Result<std::vector<SegmentChoice>> all(const HeldContent& held) const;
  // The one with nothing in it that is needed, or the one with the largest share of dead bytes;
  // nothing when that would not be worth it. `lowest`: before which no segment exists.
  std::optional<SegmentChoice> pick(const std::vector<SegmentChoice>& choices, std::uint32_t lowest) const;

 private:
  const ReclaimParts& parts_;
  const double max_dead_;
  const std::uint32_t last_;
  std::set<std::uint32_t> left_alone_;
};

// Of the whole log.
Result<std::uint64_t> dead_bytes(Index& index);

}  // namespace cairn
