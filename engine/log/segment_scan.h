// SPDX-License-Identifier: Apache-2.0
//
// Reads a segment's structure: its header, its groups in order, or its table once sealed.
// Tells a torn write (never synced, may be cut) from damage (was synced, must be kept and
// reported), see docs/durability.md.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/format/record.h"
#include "engine/io/file_system.h"

namespace cairn {

class WorkerPool;

// A segment opened for reading. Any thread may use it.
struct OpenSegment {
  std::unique_ptr<File> file;
  std::unique_ptr<File> direct;  // the same, for payloads: whole pages, around the page cache
  std::string path;
  std::uint32_t number = 0;
  std::uint64_t size = 0;
  std::uint64_t store_tag = 0;  // what its groups must carry
};
Result<OpenSegment> open_segment(FileSystem& fs, const std::string& folder, std::uint32_t segment,
                                 std::uint64_t store_tag);

Result<SegmentHeader> read_segment_header(const OpenSegment& segment);
// Whether that is good. A bad one is read once more: a log that goes on elsewhere, for what was
// a device's moment, would leave a segment without a table behind.
bool has_good_header(const OpenSegment& segment);

struct SealedTable {
  std::uint64_t groups_end = 0;  // where the groups end and the table begins
  std::vector<RecordDescriptor> records;
};
// The table of a sealed segment; nothing when it is not sealed, or when its table or
// footer is damaged (`damage` then says so, and the groups must be scanned).
Result<std::optional<SealedTable>> read_table(const OpenSegment& segment, std::string& damage);
// Where the groups of a sealed segment end, for when its table is damaged: what is behind them
// is no group. Nothing when it is not sealed, or its footer is damaged.
Result<std::optional<std::uint64_t>> read_groups_end(const OpenSegment& segment);

struct ScanOptions {
  std::uint64_t from = kPageSize;  // a group's offset, or the segment's end
  std::uint64_t to = ~0ull;        // where groups end, when that is before the file does
  // Everything below this is known to have been synced, from a source other than the log.
  std::uint64_t known_synced = 0;
  bool verify_payloads = true;
  // Reads and verifies the payloads of a few groups at once; without it one after the other.
  WorkerPool* pool = nullptr;

  static constexpr std::uint64_t kPageSize = 4096;
};

struct ScanResult {
  std::uint64_t end = 0;         // behind the last good group
  std::uint64_t torn_bytes = 0;  // bytes behind `end` that were never synced
  // Places that were synced and are bad now: "log/00000001.seg at 8192: …". The groups
  // around them were visited. Empty: nothing but a torn tail was wrong.
  std::vector<std::string> damage;
  bool damaged_tail = false;  // the damage reaches the end: append elsewhere
};

// Calls `visit` for every good group from options.from on, in order. Fails only when the
// file cannot be read, or with the visitor's error.
using VisitGroup = std::function<Status(const GroupHead& group)>;
Result<ScanResult> scan_groups(const OpenSegment& segment, const ScanOptions& options, const VisitGroup& visit);

}  // namespace cairn
