// SPDX-License-Identifier: Apache-2.0
//
// Empties one segment, record by record: what is live is appended to the log again, with its own
// sequence number, and what is dead is noted.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/log/segment_scan.h"
#include "engine/reclaim/carried.h"
#include "engine/reclaim/held_content.h"
#include "engine/reclaim/reclaim_parts.h"
#include "engine/reclaim/segment_choice.h"

namespace cairn {

// Once damage() says something, the segment is to be left alone: nothing damaged is deleted while
// it is needed. What was carried already has two places, and the index the new one.
class SegmentCopy {
 public:
  // All of them outlive it. `lowest`: no older segment exists.
  SegmentCopy(const ReclaimParts& parts, const HeldContent& held, Carried& carried, const SegmentChoice& choice,
              bool lowest);

  Status open();
  bool done() const noexcept { return next_ == records_.size(); }
  Status carry_next();

  std::uint32_t segment() const noexcept { return segment_; }
  const std::optional<std::string>& damage() const noexcept { return damage_; }

 private:
  Status carry_content(const RecordDescriptor& record);
  Status carry_statement(const RecordDescriptor& record);
  Status carry_ref(const RecordDescriptor& record, Bytes payload);
  Status carry_roots(const RecordDescriptor& record, Bytes payload);
  Status carry_entries(const RecordDescriptor& record, Bytes payload);
  // In place of `record`, what is needed of it.
  Status append_part(RecordDescriptor record, Bytes encoded);
  Result<std::optional<Bytes>> whole_payload(const RecordDescriptor& record, std::string& wrong);
  Status append(const RecordDescriptor& record, Bytes payload);
  Result<bool> may_be_needed(const RecordDescriptor& statement);
  Result<bool> holds_names(const std::function<bool(const RecordPlace&)>& at);
  Status give_up(std::string why);

  const ReclaimParts& parts_;
  const HeldContent& held_;
  Carried& carried_;
  const std::uint32_t segment_;
  const bool lowest_;
  const bool tombstones_;  // some in it are needed
  std::vector<RecordDescriptor> records_;
  std::size_t next_ = 0;
  std::optional<std::string> damage_;
  AlignedBuffer buffer_;
};

}  // namespace cairn
