// SPDX-License-Identifier: Apache-2.0
//
// Verifies one segment after the other: every block and object that the index has in it, and
// every record that says what refs and roots mean. Changes nothing: what was found is for
// whoever has the log's turn.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "cairn/store.h"
#include "engine/base/progress_meter.h"
#include "engine/log/segment_scan.h"
#include "engine/read/block_reader.h"

namespace cairn {

// Keeps reading to a rate.
class Pace {
 public:
  explicit Pace(std::uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}
  // Waits until `bytes` more may be read; an error once a stop was requested.
  Status wait(std::uint64_t bytes, const ProgressMeter& meter);

 private:
  using Clock = std::chrono::steady_clock;
  const std::uint64_t bytes_per_second_;
  const Clock::time_point began_ = Clock::now();
  std::uint64_t bytes_ = 0;
};

struct ScrubbedSegment {
  std::uint64_t records = 0, bytes_read = 0;
  // Of what is damaged, and of what is whole and was taken for damaged.
  std::vector<Verdict> verdicts;
  std::vector<RecordPlace> bad_statements;  // of refs, roots and entries
  // Of a segment that may lack some of its records: where those statements are that it has, sorted. What the index
  // places elsewhere in it is lost.
  std::optional<std::vector<std::uint64_t>> known_statements;
  std::string unreadable;  // see SegmentRecords
};

// What cannot be read for an error of the device is tried twice, and damaged then.
Result<ScrubbedSegment> scrub_segment(const OpenSegment& segment, BlockReader& reader, WorkerPool& pool, Pace& pace,
                                      ProgressMeter& meter);

// The numbers of all segments, those first that were verified least recently.
Result<std::vector<std::uint32_t>> segments_to_scrub(FileSystem& fs, const std::string& log_folder, Index& index);

}  // namespace cairn
