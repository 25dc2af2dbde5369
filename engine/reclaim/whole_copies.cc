// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/whole_copies.h"

#include <map>

#include "engine/io/read_twice.h"
#include "engine/log/segment_files.h"
#include "engine/reclaim/findings.h"
#include "engine/reclaim/segment_records.h"
#include "engine/reclaim/verify_object.h"

namespace cairn {

Result<std::vector<WholeCopy>> find_whole_copies(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag,
                                                 BlockReader& reader, const ProgressMeter& meter) {
  std::vector<WholeCopy> copies;
  Index& index = reader.index();
  if (index.quarantined() == 0) return copies;
  std::map<std::pair<RecordKind, Digest>, RecordPlace> wanted;
  const auto collect = [&](const Digest& key, const RecordLocation& at) -> Status {
    if (at.quarantined) wanted[{at.kind, key}] = {at.segment, at.offset};
    return {};
  };
  CAIRN_CHECK(index.for_each_block(collect));
  CAIRN_CHECK(index.for_each_object(collect));
  CAIRN_TRY(const std::vector<std::uint32_t> segments, list_segments(fs, log_folder));
  for (const std::uint32_t number : segments) {
    CAIRN_CHECK(meter.check_stop());
    auto opened = read_twice([&] { return open_segment(fs, log_folder, number, store_tag); });
    if (!opened.ok() && is_damage(opened.error())) continue;  // not to be had, or reclaimed meanwhile
    CAIRN_TRY(const OpenSegment segment, std::move(opened));
    CAIRN_TRY(const SegmentRecords found, records_of(segment, index));
    for (const RecordDescriptor& record : found.records) {
      const auto entry = wanted.find({record.kind, record.key});
      if (entry == wanted.end() || entry->second == RecordPlace{number, record.payload_offset}) continue;
      const RecordLocation at = location_of(number, record);
      Status read;
      if (record.kind == RecordKind::block) {
        const auto block = reader.read_block_at(record.key, at);
        if (!block.ok()) read = block.error();
      } else {
        read = verify_object(reader, record.key, at);
      }
      if (!read.ok() && !is_damage(read.error())) return std::move(read).error();
      if (!read.ok()) continue;
      copies.push_back({record.key, at});
      wanted.erase(entry);
    }
  }
  return copies;
}

}  // namespace cairn
