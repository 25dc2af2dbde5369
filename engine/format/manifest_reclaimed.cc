// SPDX-License-Identifier: Apache-2.0
//
// The payload of a reclaimed record: which segments are gone on purpose. Layout:
// docs/format/manifests.md.
#include <algorithm>

#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {

bool ReclaimedRecord::contains(std::uint32_t segment) const noexcept {
  return std::ranges::any_of(ranges, [&](const Range& r) { return r.first <= segment && segment <= r.last; });
}

void ReclaimedRecord::add(std::uint32_t segment) {
  if (contains(segment)) return;
  auto at = std::ranges::find_if(ranges, [&](const Range& r) { return r.first > segment; });
  at = ranges.insert(at, {segment, segment});
  if (const auto next = at + 1; next != ranges.end() && next->first == segment + 1) {
    at->last = next->last;
    ranges.erase(next);
  }
  if (at != ranges.begin() && (at - 1)->last + 1 == segment) {
    (at - 1)->last = at->last;
    ranges.erase(at);
  }
}

std::vector<std::byte> encode(const ReclaimedRecord& record) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  put_manifest_start(writer, RecordKind::reclaimed);
  writer.put(static_cast<std::uint32_t>(record.ranges.size()));
  for (const auto& [first, last] : record.ranges) {
    writer.put(first);
    writer.put(last);
  }
  return out;
}

Result<ReclaimedRecord> decode_reclaimed(Bytes bytes) {
  FieldReader reader("reclaimed record", bytes);
  CAIRN_CHECK(check_manifest_start(reader, RecordKind::reclaimed));
  ReclaimedRecord record;
  CAIRN_TRY(const auto count, reader.get_count("ranges", 2 * sizeof(std::uint32_t)));
  record.ranges.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    ReclaimedRecord::Range range;
    CAIRN_TRY(range.first, reader.get<std::uint32_t>("first"));
    // Ranges that touch would be one.
    const bool apart = record.ranges.empty() ? range.first > 0 : range.first > record.ranges.back().last + 1ull;
    if (!apart) return reader.wrong("is not above the end of the range before it");
    CAIRN_TRY(range.last, reader.get<std::uint32_t>("last"));
    if (range.last < range.first) return reader.wrong("is below the range's first");
    record.ranges.push_back(range);
  }
  CAIRN_CHECK(reader.expect_end());
  return record;
}

}  // namespace cairn
