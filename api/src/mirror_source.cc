// SPDX-License-Identifier: Apache-2.0
#include "api/src/mirror_source.h"

#include <algorithm>
#include <utility>

#include "api/src/mirror_formats.h"
#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/format/delta_head.h"
#include "engine/log/segment_files.h"
#include "engine/reclaim/findings.h"

namespace cairn {
namespace {

// A record that is looked for while reclaiming moves it.
constexpr int kMovesMax = 4;
constexpr std::uint32_t kPayloadBytesMax = BlockReader::kObjectBytesMax;

Error damaged(const OpenSegment& segment, const RecordDescriptor& record, const std::string& why) {
  return make_error(ErrorCode::corruption, segment.path + " at " + std::to_string(record.payload_offset) + ": " + why);
}

// Visits the groups of a segment that end at `to` or before it, without their payloads.
Result<ScanResult> scan_heads(const OpenSegment& segment, std::uint64_t from, std::uint64_t to,
                              const VisitGroup& visit) {
  const ScanOptions options{.from = from, .to = to, .known_synced = to, .verify_payloads = false};
  return scan_groups(segment, options, visit);
}

}  // namespace

// Reads a stretch of the log, and gathers what it says that holds still.
class MirrorSource::Scan {
 public:
  Scan(StoreImpl& store, std::size_t bytes_max) : store_(store), bytes_max_(bytes_max) {}

  bool is_full() const { return bytes_ >= bytes_max_; }
  std::vector<mirror::Statement> take() {
    // By itself it is no reason to say anything.
    if (clock_ && !statements_.empty()) statements_.push_back(statement_of(*clock_));
    return std::move(statements_);
  }

  // From the group at `from` to that at `to`: where it ended. corruption: some of that is damaged; nothing was
  // gathered.
  Result<std::uint64_t> segment(const OpenSegment& segment, std::uint64_t from, std::uint64_t to) {
    const std::size_t before = statements_.size();
    auto reached = try_segment(segment, from, to);
    if (!reached.ok()) statements_.resize(before);
    return reached;
  }

  // The same of a segment that is damaged: what the index knows to be said there.
  Status from_index(std::uint32_t segment) {
    Index& index = store_.index();
    CAIRN_CHECK(index.for_each_ref([&](const RefRecord& ref) -> Status {
      CAIRN_TRY(const auto place, index.find_ref_place(ref.name, ref.version));
      if (place && place->segment == segment) add(statement_of(ref));
      return {};
    }));
    CAIRN_CHECK(index.for_each_root(std::nullopt, [&](const Root& root) -> Result<bool> {
      CAIRN_TRY(const auto place, index.find_root_place(root.kind, root.id, root.name));
      if (place && place->segment == segment) add(statement_of(root));
      return true;
    }));
    return index.for_each_entry({}, Index::Order::ascending, {}, [&](const Placed<StoredEntry>& entry) -> Result<bool> {
      if (entry.place.segment == segment) add(statement_of(static_cast<const StoredEntry&>(entry)));
      return true;
    });
  }

 private:
  Result<std::uint64_t> try_segment(const OpenSegment& segment, std::uint64_t from, std::uint64_t to) {
    std::uint64_t end = from;
    const auto visit = [&](const GroupHead& group) -> Status {
      if (is_full()) return {};
      for (const RecordDescriptor& record : group.records) {
        if (is_statement(record.kind)) CAIRN_CHECK(add(segment, record));
      }
      end = group.header.offset + group.header.total_bytes();
      return {};
    };
    CAIRN_TRY(const ScanResult result, scan_heads(segment, from, to, visit));
    if (!result.damage.empty()) return make_error(ErrorCode::corruption, result.damage.front());
    return is_full() ? end : to;
  }

  Status add(const OpenSegment& segment, const RecordDescriptor& record) {
    if (record.kind == RecordKind::reclaimed) return {};
    if (record.stored_bytes > kEntriesBytesMax) return damaged(segment, record, "larger than any statement");
    std::vector<std::byte> payload(record.stored_bytes);
    CAIRN_TRY(const std::size_t got, segment.file->read_at(record.payload_offset, payload));
    if (got < payload.size() || checksum_of(payload) != record.checksum) {
      return damaged(segment, record,
                     std::string(record_kind_name(record.kind)) + " record does not match its checksum");
    }
    const RecordPlace place{segment.number, record.payload_offset};
    if (record.kind == RecordKind::ref) {
      CAIRN_TRY(const RefRecord ref, decode_ref(payload));
      CAIRN_TRY(const auto now, store_.index().find_ref_place(ref.name, ref.version));
      add_if_current(ref, place, now);
    } else if (record.kind == RecordKind::roots) {
      CAIRN_TRY(const RootsRecord roots, decode_roots(payload));
      for (const Root& root : roots.roots) {
        CAIRN_TRY(const auto now, store_.index().find_root_place(root.kind, root.id, root.name));
        add_if_current(root, place, now);
      }
    } else {
      CAIRN_TRY(const EntriesRecord entries, decode_entries(payload));
      for (const StoredEntry& entry : entries.entries) {
        CAIRN_TRY(const auto now, store_.index().find_entry(entry.key));
        add_if_current(entry, place, now ? std::optional(now->place) : std::nullopt);
      }
      clock_ = entries.clock;
    }
    return {};
  }

  // What was said again later is met again there.
  template <class T>
  void add_if_current(const T& said, const RecordPlace& place, const std::optional<RecordPlace>& now) {
    if (said.removed ? now.has_value() : now != place) return;
    add(statement_of(said));
  }
  void add(mirror::Statement statement) {
    bytes_ += statement.key.size() + statement.payload.size() + 1;
    statements_.push_back(std::move(statement));
  }

  StoreImpl& store_;
  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::vector<mirror::Statement> statements_;
  std::optional<StoreClock> clock_;  // of the last entries
};

MirrorSource::MirrorSource(StoreImpl& store) : store_(store), buffers_(store.header().block_bytes + 2 * kPageBytes) {}

mirror::StoreFacts MirrorSource::facts() const {
  const StoreHeader& header = store_.header();
  return {.uuid = header.uuid,
          .digest = header.digest,
          .block_bytes = header.block_bytes,
          .segment_bytes = header.segment_bytes};
}

Result<mirror::Source::Changes> MirrorSource::changes(const mirror::Cursor& from, std::size_t bytes_max) {
  CAIRN_CHECK(store_.follow());
  const Position end = store_.index().applied();
  Changes changes;
  changes.to = from;
  const Position begin{from.segment, from.offset};
  if (end < begin) return make_error(ErrorCode::conflict, "the log ends before what was mirrored of it");
  if (end == begin) return changes;
  CAIRN_TRY(const auto segments, list_segments(store_.fs(), store_.layout().log()));
  Scan scan(store_, bytes_max);
  std::uint32_t number = std::max(begin.segment, 1u);
  for (; number <= end.segment && !scan.is_full(); ++number) {
    if (!std::ranges::binary_search(segments, number)) {
      changes.has_gap = changes.has_gap || begin.segment > 0;
      continue;
    }
    auto opened = open_segment(store_.fs(), store_.layout().log(), number, store_.store_tag());
    if (!opened.ok() && opened.error().code == ErrorCode::not_found) {
      changes.has_gap = changes.has_gap || begin.segment > 0;
      continue;
    }
    CAIRN_TRY(const OpenSegment segment, std::move(opened));
    CAIRN_TRY(const auto groups_end, read_groups_end(segment));
    std::uint64_t to = groups_end.value_or(segment.size);
    if (number == end.segment) to = std::min(to, end.offset);
    const std::uint64_t first = number == begin.segment ? std::max(begin.offset, kPageBytes) : kPageBytes;
    auto reached = scan.segment(segment, std::min(first, to), to);
    if (!reached.ok()) {
      if (!is_damage(reached.error())) return reached.error();
      CAIRN_CHECK(scan.from_index(number));
      changes.has_gap = changes.has_gap || begin.segment > 0;
      reached = to;
    }
    changes.to = {number, *reached};
  }
  if (!scan.is_full()) changes.to = {end.segment, end.offset};
  changes.statements = scan.take();
  changes.has_more = Position{changes.to.segment, changes.to.offset} < end;
  return changes;
}

Result<std::optional<mirror::Statement>> MirrorSource::current(const mirror::Statement& like) {
  std::optional<mirror::Statement> found;
  CAIRN_CHECK(store_.follow());
  mirror::Statement key = like;
  key.removed = true;  // what it says is no matter
  switch (static_cast<RecordKind>(like.kind)) {
    case RecordKind::ref: {
      CAIRN_TRY(const RefRecord wanted, ref_of(key));
      CAIRN_TRY(const auto ref, store_.index().find_ref(wanted.name, wanted.version));
      if (ref) found = statement_of(*ref);
      break;
    }
    case RecordKind::roots: {
      CAIRN_TRY(const Root wanted, root_of(key));
      CAIRN_TRY(const auto root, store_.index().find_root(wanted.kind, wanted.id, wanted.name));
      if (root) found = statement_of(*root);
      break;
    }
    case RecordKind::entries: {
      if (is_clock(like)) {
        CAIRN_TRY(const auto clock, store_.index().clock());
        if (clock) found = statement_of(*clock);
        break;
      }
      CAIRN_TRY(const auto entry, store_.index().find_entry(like.key));
      if (entry) found = statement_of(static_cast<const StoredEntry&>(*entry));
      break;
    }
    default: break;
  }
  return found;
}

Result<mirror::Source::Head> MirrorSource::head() {
  CAIRN_CHECK(store_.follow());
  const Position end = store_.index().applied();
  const std::uint64_t next = store_.index().next_sequence();
  return Head{.at = {end.segment, end.offset}, .records = next - std::min<std::uint64_t>(next, 1)};
}

std::uint64_t MirrorSource::bytes_between(const mirror::Cursor& from, const mirror::Cursor& to) {
  std::uint64_t bytes = 0;
  for (std::uint32_t number = std::max(from.segment, 1u); number <= to.segment; ++number) {
    const auto info = store_.fs().info(segment_path(store_.layout().log(), number));
    std::uint64_t reach = number == to.segment ? to.offset : info.ok() ? info->size : 0;
    if (number == from.segment) reach -= std::min(reach, from.offset);
    bytes += reach;
  }
  return bytes;
}

// That of the last group with records, of the segment where it is.
Result<std::optional<std::uint64_t>> MirrorSource::mark_at(const mirror::Cursor& at) {
  CAIRN_CHECK(store_.follow());
  const auto no_such_place = [] { return make_error(ErrorCode::conflict, "the log has no such place"); };
  const Position end = store_.index().applied();
  if (end < Position{at.segment, at.offset}) return no_such_place();
  auto opened = open_segment(store_.fs(), store_.layout().log(), at.segment, store_.store_tag());
  if (!opened.ok() && opened.error().code == ErrorCode::not_found) return std::optional<std::uint64_t>();
  CAIRN_TRY(const OpenSegment segment, std::move(opened));
  CAIRN_TRY(const auto groups_end, read_groups_end(segment));
  const std::uint64_t limit = groups_end.value_or(at.segment == end.segment ? end.offset : segment.size);
  const std::uint64_t to = std::min(at.offset, limit);
  std::optional<std::uint64_t> mark;
  bool inside = false;
  const auto visit = [&](const GroupHead& group) -> Status {
    if (group.header.offset >= to) return {};
    inside = group.header.offset + group.header.total_bytes() > to;
    if (!group.records.empty()) mark = group.records.back().sequence * 31 + group.records.back().checksum;
    return {};
  };
  // To the end: whether a group reaches beyond `to` is to be seen.
  CAIRN_TRY(const ScanResult result, scan_heads(segment, kPageBytes, limit, visit));
  if (!result.damage.empty()) return std::optional<std::uint64_t>();
  if (inside) return no_such_place();
  return mark;
}

Result<std::optional<mirror::Content>> MirrorSource::read(const mirror::ContentId& id) {
  const auto kind = static_cast<RecordKind>(id.kind);
  std::optional<RecordLocation> at;
  if (kind != RecordKind::block) {
    CAIRN_TRY(at, store_.index().find_object(kind, id.digest));
  }
  if (!at && (kind == RecordKind::block || kind == RecordKind::blob)) {
    CAIRN_TRY(at, store_.index().find_block(id.digest));
  }
  for (int moves = 0; at; ++moves) {
    auto content = read_at(id.digest, *at);
    if (content.ok() || content.error().code != ErrorCode::corruption || moves == kMovesMax) return content;
    CAIRN_TRY(auto moved, store_.blocks().find_moved(id.digest, *at));
    if (!moved) {
      CAIRN_TRY(const auto still, at->kind == RecordKind::block ? store_.index().find_block(id.digest)
                                                                : store_.index().find_object(at->kind, id.digest));
      if (still) return content;
    }
    at = std::move(moved);
  }
  return std::optional<mirror::Content>();
}

Result<std::optional<mirror::Content>> MirrorSource::read_at(const Digest& digest, const RecordLocation& at) {
  const std::string what = std::string(record_kind_name(at.kind)) + " " + store_.id_text(digest);
  if (at.stored_bytes > kPayloadBytesMax) return make_error(ErrorCode::corruption, what + " is larger than any");
  const auto buffer = buffers_.take(at.stored_bytes + 2 * kPageBytes);
  if (!buffer) return make_error(ErrorCode::resource_exhausted, "no memory for " + what);
  CAIRN_TRY(const Bytes payload, store_.log_reader().read(at.segment, at.offset, at.stored_bytes, *buffer));
  if (checksum_of(payload) != at.checksum) {
    return make_error(ErrorCode::corruption, what + " in segment " + std::to_string(at.segment) + " at " +
                                                 std::to_string(at.offset) + " does not match its checksum");
  }
  mirror::Content content{.id = {static_cast<std::uint8_t>(at.kind), digest},
                          .codec = at.codec,
                          .logical_bytes = at.logical_bytes,
                          .checksum = at.checksum,
                          .payload = payload,
                          .hold = buffer};
  if (at.kind == RecordKind::block && has_parts(at)) {
    CAIRN_TRY(const DeltaHead head, decode_delta_head(payload, digest));
    content.bases = head.bases;
  }
  return std::optional(std::move(content));
}

}  // namespace cairn
