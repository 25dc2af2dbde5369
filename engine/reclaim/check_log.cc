// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/check_log.h"

#include <limits>

#include "engine/base/errors.h"
#include "engine/io/read_twice.h"
#include "engine/log/segment_files.h"
#include "engine/log/segment_scan.h"

namespace cairn {
namespace {

Status check_segment(const OpenSegment& segment, bool last, const Position& applied, Findings& findings) {
  // The last one may be a husk, or be written at this moment by another process.
  const bool header_good = has_good_header(segment);
  if (!header_good && !(last && applied.segment < segment.number)) {
    findings.damage(segment.path + " at 0: segment header is damaged");
  }
  std::string wrong;
  auto read = read_twice([&] { return read_table(segment, wrong); });
  if (!read.ok() && read.error().code == ErrorCode::io) {
    findings.damage(read.error().message);
    return {};
  }
  CAIRN_TRY(const auto table, std::move(read));
  // The last one may be about to be sealed, unless the index has seen its end already.
  const bool seal_applied = applied.segment == segment.number && applied.offset == segment.size;
  if (!wrong.empty() && (!last || seal_applied)) findings.damage(wrong);
  if (!table && !last && wrong.empty() && header_good) {
    // Sealed before the next was begun; unless damage once made the log go on elsewhere.
    findings.damage(segment.path + " at " + std::to_string(segment.size) +
                    ": the table at the segment's end is damaged");
  }
  ScanOptions options{.verify_payloads = false};
  options.known_synced = applied.segment == segment.number ? applied.offset : 0;
  if (!last || table) options.known_synced = std::numeric_limits<std::uint64_t>::max();
  if (table) options.to = table->groups_end;
  const auto look = [](const GroupHead&) { return Status(); };
  auto scanned = read_twice([&] { return scan_groups(segment, options, look); });
  if (!scanned.ok() && scanned.error().code == ErrorCode::io) {
    findings.damage(scanned.error().message);
    return {};
  }
  CAIRN_TRY(const ScanResult scan, std::move(scanned));
  if (table || last) {
    for (const std::string& place : scan.damage) findings.damage(place);
  }
  return {};
}

}  // namespace

Status check_log(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag, BlockReader& reader,
                 const Progress& progress, Findings& findings) {
  Index& index = reader.index();
  const Position applied = index.applied();
  CAIRN_TRY(const std::vector<std::uint32_t> segments, list_segments(fs, log_folder));
  CAIRN_TRY(auto reclaimed, index.reclaimed());
  ProgressMeter meter(progress, "check log", 0);
  std::uint32_t expected = 1;
  for (const std::uint32_t number : segments) {
    CAIRN_CHECK(meter.check_stop());
    for (; expected < number; ++expected) {
      if (reclaimed && reclaimed->contains(expected)) continue;
      CAIRN_CHECK(reader.catch_up());
      CAIRN_TRY(reclaimed, index.reclaimed());
      if (!reclaimed || !reclaimed->contains(expected)) {
        findings.damage(segment_path(log_folder, expected) + ": missing");
      }
    }
    expected = number + 1;
    auto opened = read_twice([&] { return open_segment(fs, log_folder, number, store_tag); });
    // A writer without room takes the segment away that it could not begin.
    if (!opened.ok() && opened.error().code == ErrorCode::not_found) {
      CAIRN_CHECK(reader.catch_up());
      CAIRN_TRY(const auto now, index.reclaimed());
      if (number > applied.segment || (now && now->contains(number))) continue;
    }
    if (!opened.ok() && opened.error().code == ErrorCode::io) {
      findings.damage(opened.error().message);
      continue;
    }
    CAIRN_TRY(const OpenSegment segment, std::move(opened));
    meter.begin(segment.path);
    findings.segment_bytes[number] = segment.size;
    CAIRN_CHECK(check_segment(segment, number == segments.back(), applied, findings));
    meter.add(segment.size);
  }
  return {};
}

}  // namespace cairn
