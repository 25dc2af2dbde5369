// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/segment_choice.h"

#include "engine/log/segment_files.h"

namespace cairn {

SegmentChooser::SegmentChooser(const ReclaimParts& parts, double max_dead)
    : parts_(parts), max_dead_(max_dead), last_(parts.log.last_segment_number()) {}

Result<std::vector<SegmentChoice>> SegmentChooser::all(const HeldContent& held) const {
  CAIRN_TRY(const auto segments, list_segments(parts_.fs, parts_.log_folder));
  CAIRN_TRY(const auto uses, parts_.index.segment_uses());
  std::vector<SegmentChoice> choices;
  for (const std::uint32_t segment : segments) {
    const auto use = uses.find(segment);
    // One that the index knows nothing of was emptied before: its removal was cut short.
    choices.push_back({segment, use == uses.end() ? SegmentUse{} : use->second});
    // What is held would have to be copied, and be dead still.
    choices.back().use.live_bytes += held.bytes_in(segment);
  }
  return choices;
}

std::optional<SegmentChoice> SegmentChooser::pick(const std::vector<SegmentChoice>& choices,
                                                  std::uint32_t lowest) const {
  std::uint64_t record_bytes = 0, dead_bytes = 0;
  for (const SegmentChoice& choice : choices) {
    if (left_alone_.contains(choice.segment)) continue;
    record_bytes += choice.use.record_bytes;
    dead_bytes += choice.use.dead_bytes();
  }
  const bool too_much = static_cast<double>(dead_bytes) > max_dead_ * static_cast<double>(record_bytes);
  std::optional<SegmentChoice> best;
  double best_share = 0;
  for (const SegmentChoice& choice : choices) {
    if (choice.segment > last_ || left_alone_.contains(choice.segment)) continue;
    const SegmentUse& use = choice.use;
    const bool is_open = choice.segment == parts_.log.open_segment_number();
    // What says that something was removed is needed while it may be there, in an older one.
    const bool empty = use.live_bytes == 0 && (use.tombstone_bytes == 0 || choice.segment == lowest) && !is_open;
    if (empty) return choice;
    if (!too_much || use.dead_bytes() == 0) continue;
    const double share = static_cast<double>(use.dead_bytes()) / static_cast<double>(use.record_bytes);
    if (share <= best_share) continue;
    best = choice;
    best_share = share;
  }
  return best;
}

Result<std::uint64_t> dead_bytes(Index& index) {
  CAIRN_TRY(const auto uses, index.segment_uses());
  std::uint64_t bytes = 0;
  for (const auto& [segment, use] : uses) bytes += use.dead_bytes();
  return bytes;
}

}  // namespace cairn
