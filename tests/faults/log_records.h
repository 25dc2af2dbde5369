// SPDX-License-Identifier: Apache-2.0
//
// What a store's log holds, read without an index.
#pragma once

#include <set>
#include <string>

#include "api/src/store_impl.h"
#include "engine/log/segment_files.h"
#include "engine/log/segment_scan.h"

namespace cairn::testing {

// Calls `visit(segment, record)` for every record of the good groups of the store's log.
template <class Visit>
Status for_each_log_record(FileSystem& fs, const std::string& store, const Visit& visit) {
  const StoreLayout layout(store);
  CAIRN_TRY(const auto text, read_file(fs, layout.header(), 4096));
  CAIRN_TRY(const StoreHeader header, decode_store_header(text));
  CAIRN_TRY(const auto segments, list_segments(fs, layout.log()));
  for (const std::uint32_t number : segments) {
    CAIRN_TRY(const OpenSegment segment, open_segment(fs, layout.log(), number, store_tag_of(header.uuid)));
    std::string damage;
    CAIRN_TRY(const auto table, read_table(segment, damage));
    const ScanOptions options{.to = table ? table->groups_end : ~0ull, .verify_payloads = false};
    const auto visit_group = [&](const GroupHead& group) -> Status {
      for (const RecordDescriptor& record : group.records) visit(number, record);
      return {};
    };
    CAIRN_TRY(const ScanResult scan, scan_groups(segment, options, visit_group));
    static_cast<void>(scan);
  }
  return {};
}

// Objects whose refs or roots did not come to be are forgotten when a store is opened.
enum class Objects { once, again_after_a_death };

// What a log must not hold after any number of deaths and repetitions, or nothing: a block
// twice (or an object, see above), a sequence number twice, other than one ref for each of `versions`.
inline std::string wrong_in_log(FileSystem& fs, const std::string& store, std::size_t versions, Objects objects) {
  std::set<std::pair<RecordKind, Digest>> things;
  std::set<std::uint64_t> sequences;
  std::size_t refs = 0;
  std::string twice;
  const Status read = for_each_log_record(fs, store, [&](std::uint32_t segment, const RecordDescriptor& record) {
    refs += record.kind == RecordKind::ref ? 1 : 0;
    const bool may_repeat = record.kind != RecordKind::block && objects == Objects::again_after_a_death;
    const bool fresh = things.emplace(record.kind, record.key).second || may_repeat;
    if (sequences.insert(record.sequence).second && fresh) return;
    twice = std::string(record_kind_name(record.kind)) + (fresh ? " with a reused sequence " : " again, sequence ") +
            std::to_string(record.sequence) + ", in segment " + std::to_string(segment);
  });
  if (!read.ok()) return "log: " + read.error().message;
  if (!twice.empty()) return "written twice: " + twice;
  return refs == versions ? "" : std::to_string(refs) + " refs in the log";
}

}  // namespace cairn::testing
