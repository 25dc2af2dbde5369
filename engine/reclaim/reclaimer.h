// SPDX-License-Identifier: Apache-2.0
//
// Gives back the space of what nothing refers to any more. What is live in a segment is
// appended to the log again, with its own sequence numbers; then, in this order, the log is
// synced, the index points at the new places, the index is durable, the segment is removed.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/index/index.h"
#include "engine/log/log_reader.h"
#include "engine/log/log_writer.h"
#include "engine/log/segment_scan.h"

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
  struct Parts {
    FileSystem& fs;
    std::string log_folder;
    std::uint64_t store_tag;
    DigestKind digest;
    Index& index;
    LogWriter& log;
    LogReader& reader;
    ObjectParts& parts;
  };
  // `max_dead`: the share of the log's records that may stay dead, 0 to 1.
  Reclaimer(const Parts& parts, double max_dead);

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
  struct Choice {
    std::uint32_t segment = 0;
    SegmentUse use;
  };
  struct Work {
    OpenSegment file;
    std::vector<RecordDescriptor> records;
    std::size_t next = 0;
    bool lowest = false;      // no older segment exists
    bool tombstones = false;  // some in it are needed
  };

  Status forget_dead_objects(const std::vector<Reference>& held);
  Status hold(const std::vector<Reference>& held);
  Result<bool> choose();
  Result<std::vector<Choice>> choices();
  std::optional<Choice> pick(const std::vector<Choice>& choices, std::uint32_t lowest) const;
  Status begin(const Choice& choice, bool lowest);
  Result<bool> may_be_needed(const RecordDescriptor& statement);
  Result<bool> holds_names(const std::function<bool(const RecordPlace&)>& at);
  Status carry_or_drop();
  Status carry_or_drop(const RecordDescriptor& record);
  Status carry_content(const RecordDescriptor& record);
  Status carry_ref(const RecordDescriptor& record, Bytes payload);
  Status carry_roots(const RecordDescriptor& record, Bytes payload);
  Result<std::optional<Bytes>> whole_payload(const RecordDescriptor& record, std::string& wrong);
  Status append(const RecordDescriptor& record, Bytes payload);
  // `remove`: also what has been emptied.
  Status commit(bool remove);
  Status remove_emptied();
  Result<std::uint64_t> dead_bytes();
  Status leave_alone(const std::string& why);
  bool budget_is_spent() const;

  const Parts parts_;
  const double max_dead_;
  const std::uint32_t last_;  // later segments are not looked at
  ReclaimCounters counters_;
  std::vector<std::string> damaged_;
  std::set<std::uint32_t> left_alone_;

  std::optional<Work> work_;
  std::vector<std::uint32_t> emptied_;  // nothing in them is needed once commit() has returned
  AlignedBuffer buffer_;

  // Of the step at hand.
  Clock::time_point began_;
  std::uint64_t moved_in_step_ = 0;
  std::unordered_set<std::string> held_;               // by count_key()
  std::map<std::uint32_t, std::uint64_t> held_bytes_;  // of it, what has no references, by segment
  std::vector<Reference> dropped_;
  std::deque<RefRecord> refs_;           // appended, not yet in the index
  std::deque<std::vector<Root>> roots_;  // the same, by record
  bool durable_ = false;                 // the index no longer needs what is in emptied_
};

}  // namespace cairn
