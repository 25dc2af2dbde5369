// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/segment_records.h"

#include <algorithm>
#include <limits>

#include "engine/io/read_twice.h"

namespace cairn {
namespace {

Status add_from_index(std::uint32_t segment, Index& index, std::vector<RecordDescriptor>& records) {
  const auto collect = [&](const Digest& key, const RecordLocation& at) -> Status {
    if (at.segment != segment) return {};
    records.push_back(RecordDescriptor{.kind = at.kind,
                                       .codec = at.codec,
                                       .logical_bytes = at.logical_bytes,
                                       .stored_bytes = at.stored_bytes,
                                       .payload_offset = at.offset,
                                       .sequence = at.sequence,
                                       .checksum = at.checksum,
                                       .key = key});
    return {};
  };
  CAIRN_CHECK(index.for_each_block(collect));
  CAIRN_CHECK(index.for_each_object(collect));
  std::sort(records.begin(), records.end(),
            [](const RecordDescriptor& a, const RecordDescriptor& b) { return a.payload_offset < b.payload_offset; });
  return {};
}

// Anything but a bad sector is an error of the call.
Status note_unreadable(const Error& error, SegmentRecords& found) {
  if (error.code != ErrorCode::io) return error;
  if (found.unreadable.empty()) found.unreadable = error.message;
  return {};
}

}  // namespace

Result<SegmentRecords> records_of(const OpenSegment& segment, Index& index) {
  SegmentRecords found;
  std::string wrong;
  auto table = read_twice([&] { return read_table(segment, wrong); });
  if (table.ok() && *table) {
    found.records = std::move((*table)->records);
    return found;
  }
  if (!table.ok()) CAIRN_CHECK(note_unreadable(table.error(), found));
  // Of the last segment the index knows how much counts; every other was synced whole.
  const Position applied = index.applied();
  std::uint64_t end = applied.segment == segment.number ? applied.offset : segment.size;
  const auto groups_end = read_twice([&] { return read_groups_end(segment); });
  if (groups_end.ok() && *groups_end) end = std::min(end, **groups_end);
  ScanOptions heads{.to = end, .known_synced = std::numeric_limits<std::uint64_t>::max(), .verify_payloads = false};
  found.may_lack = segment.number != applied.segment || applied.offset > segment.size;
  const auto collect = [&](const GroupHead& group) -> Status {
    found.records.insert(found.records.end(), group.records.begin(), group.records.end());
    return {};
  };
  const auto scan = read_twice([&] {
    found.records.clear();
    return scan_groups(segment, heads, collect);
  });
  if (scan.ok() && scan->damage.empty()) return found;
  if (!scan.ok()) CAIRN_CHECK(note_unreadable(scan.error(), found));
  found.may_lack = true;
  found.damage = scan.ok() ? scan->damage.front() : found.unreadable;
  found.records.clear();
  CAIRN_CHECK(add_from_index(segment.number, index, found.records));
  return found;
}

}  // namespace cairn
