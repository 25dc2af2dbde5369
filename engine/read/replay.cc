// SPDX-License-Identifier: Apache-2.0
#include "engine/read/replay.h"

#include <algorithm>
#include <limits>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/content/digester.h"
#include "engine/log/segment_files.h"
#include "engine/log/segment_scan.h"
#include "engine/read/logged_parts.h"

namespace cairn {
namespace {

// Records applied in one batch: bounds memory, not meaning.
constexpr std::size_t kBatchRecords = 8192;
// The same of entries, which are kept with their values.
constexpr std::uint64_t kBatchEntryBytes = 32 * MiB;

class Replay {
 public:
  // Without `parts` nothing is counted. `pool` may be null.
  Replay(Index& index, ObjectParts* parts, WorkerPool* pool, ProgressMeter& meter)
      : index_(index), parts_(parts), pool_(pool), meter_(meter), from_(index.applied()) {
    out_.end.next_sequence = std::max<std::uint64_t>(index.next_sequence(), 1);
  }

  Status segment(const OpenSegment& segment, bool last) {
    CAIRN_CHECK(meter_.check_stop());
    meter_.begin(segment.path);
    const std::uint64_t from = segment.number == from_.segment ? std::max(from_.offset, kFirstGroup) : kFirstGroup;
    if (segment.size < from && segment.number == from_.segment) {
      out_.damage.push_back(segment.path + " at " + std::to_string(segment.size) + ": the log ends before byte " +
                            std::to_string(from) + ", up to which it had been applied");
      out_.lost = true;
      out_.end.segment = segment.number;
      out_.end.sealed = true;
      return {};
    }
    std::string damage;
    CAIRN_TRY(const auto table, read_table(segment, damage));
    // Sealing the last segment may have been cut short; its groups are all there.
    if (!damage.empty() && !last) out_.damage.push_back(damage);
    if (table) {
      for (const RecordDescriptor& record : table->records) {
        if (record.payload_offset >= from) CAIRN_CHECK(add(segment, record));
      }
      meter_.add(table->records.size() * RecordDescriptor::kSize);
      out_.end = LogEnd{.segment = segment.number, .sealed = true, .next_sequence = out_.end.next_sequence};
      return apply(Position{segment.number, segment.size});
    }
    return scan(segment, from, last);
  }

  // The segment's groups up to `to`, which were synced.
  Status follow(const OpenSegment& segment, const Position& to) {
    std::uint64_t end = segment.number == to.segment ? to.offset : segment.size;
    std::string damage;
    CAIRN_TRY(const auto table, read_table(segment, damage));
    if (table) end = std::min(end, table->groups_end);
    const std::uint64_t from = segment.number == from_.segment ? std::max(from_.offset, kFirstGroup) : kFirstGroup;
    const auto apply_group = [&](const GroupHead& group) -> Status {
      for (const RecordDescriptor& record : group.records) CAIRN_CHECK(add(segment, record));
      return apply_if_large(Position{segment.number, group.header.offset + group.header.total_bytes()});
    };
    if (from < end) {
      const ScanOptions options{.from = from, .to = end, .known_synced = end, .verify_payloads = false};
      CAIRN_CHECK(scan_groups(segment, options, apply_group));
    }
    return apply(Position{segment.number, segment.number == to.segment ? to.offset : segment.size});
  }

  Replayed finish() && { return std::move(out_); }

 private:
  static constexpr std::uint64_t kFirstGroup = kPageBytes;

  Status scan(const OpenSegment& segment, std::uint64_t from, bool last) {
    LogEnd end{.segment = segment.number, .sealed = false, .next_sequence = out_.end.next_sequence};
    ScanOptions options{.from = from, .known_synced = from, .verify_payloads = true, .pool = pool_};
    bool sealed = false;
    // A segment is synced whole before the next is begun.
    if (!last) {
      options.known_synced = std::numeric_limits<std::uint64_t>::max();
      CAIRN_TRY(const auto groups_end, read_groups_end(segment));
      sealed = groups_end.has_value();
      if (sealed) options.to = *groups_end;
    }
    const auto apply_group = [&](const GroupHead& group) -> Status {
      CAIRN_CHECK(meter_.check_stop());
      for (const RecordDescriptor& record : group.records) CAIRN_CHECK(add(segment, record));
      meter_.add(group.header.total_bytes());
      end.open_records.insert(end.open_records.end(), group.records.begin(), group.records.end());
      return apply_if_large(Position{segment.number, group.header.offset + group.header.total_bytes()});
    };
    CAIRN_TRY(ScanResult result, scan_groups(segment, options, apply_group));
    const bool header_good = has_good_header(segment);
    const bool husk = last && !header_good && result.end <= kFirstGroup && result.damage.empty();
    if (husk) {
      // Its creation was interrupted: nothing in it was ever promised, and its number is
      // used again.
      out_.torn_bytes += segment.size;
      return {};
    }
    out_.lost = out_.lost || !result.damage.empty();
    if (!header_good) result.damage.push_back(segment.path + " at 0: segment header is damaged");
    // Sealing needs every record of the segment; those before `from` are read by head alone.
    bool complete = result.damage.empty();
    if (complete && !sealed && from > kFirstGroup) {
      std::vector<RecordDescriptor> earlier;
      const ScanOptions heads{.from = kFirstGroup, .known_synced = from, .verify_payloads = false};
      const auto collect = [&](const GroupHead& group) -> Status {
        if (group.header.offset < from) earlier.insert(earlier.end(), group.records.begin(), group.records.end());
        return {};
      };
      CAIRN_TRY(const ScanResult prefix, scan_groups(segment, heads, collect));
      complete = prefix.damage.empty();
      out_.lost = out_.lost || !complete;
      out_.damage.insert(out_.damage.end(), prefix.damage.begin(), prefix.damage.end());
      end.open_records.insert(end.open_records.begin(), earlier.begin(), earlier.end());
    }
    end.offset = std::max(result.end, kFirstGroup);
    end.next_sequence = out_.end.next_sequence;
    // A damaged segment is left as it is, and so is a sealed one, though its table be damaged and
    // what follows it a husk: the log goes on in a new one.
    if (!complete || sealed) {
      end.sealed = true;
      end.open_records.clear();
    }
    out_.torn_bytes += result.torn_bytes;
    out_.damage.insert(out_.damage.end(), result.damage.begin(), result.damage.end());
    out_.end = std::move(end);
    return apply(Position{segment.number, std::max(result.end, from)});
  }

  Status add(const OpenSegment& segment, const RecordDescriptor& record) {
    ++out_.records;
    out_.end.next_sequence = std::max(out_.end.next_sequence, record.sequence + 1);
    if (is_statement(record.kind)) return add_payload(segment, record);
    batch_.records.push_back({record.key, location_of(segment.number, record)});
    if (batch_.records.size() < kBatchRecords) return {};
    return apply(std::nullopt);
  }

  // What a ref, a root or a reclaiming means is in its payload.
  Status add_payload(const OpenSegment& segment, const RecordDescriptor& record) {
    const std::string name(record_kind_name(record.kind));
    const auto damaged = [&](const std::string& why) {
      out_.damage.push_back(segment.path + " at " + std::to_string(record.payload_offset) + ": " + why);
      out_.lost = true;
      return Status();
    };
    const std::uint64_t bytes_max =
        record.kind == RecordKind::ref ? kRefBytesMax : std::max(kRootsBytesMax, kEntriesBytesMax);
    const RecordPlace place{segment.number, record.payload_offset};
    if (record.stored_bytes > bytes_max) {
      return damaged(name + " record of " + std::to_string(record.stored_bytes) + " bytes");
    }
    std::vector<std::byte> payload(record.stored_bytes);
    CAIRN_TRY(const std::size_t got, segment.file->read_at(record.payload_offset, payload));
    if (got < payload.size() || checksum_of(payload) != record.checksum) {
      return damaged(name + " record does not match its checksum");
    }
    if (record.kind == RecordKind::ref) {
      auto ref = decode_ref(payload);
      if (!ref.ok()) return damaged(ref.error().message);
      batch_.refs.emplace_back(std::move(ref).value(), place);
      return {};
    }
    if (record.kind == RecordKind::reclaimed) {
      auto reclaimed = decode_reclaimed(payload);
      if (!reclaimed.ok()) return damaged(reclaimed.error().message);
      batch_.reclaimed.emplace(std::move(reclaimed).value(), place);
      return {};
    }
    if (record.kind == RecordKind::entries) {
      auto entries = decode_entries(payload);
      if (!entries.ok()) return damaged(entries.error().message);
      for (StoredEntry& entry : entries->entries) batch_.entries.emplace_back(std::move(entry), place);
      if (!batch_.clock || batch_.clock->store_time_ns <= entries->clock.store_time_ns) batch_.clock = entries->clock;
      entry_bytes_ += record.stored_bytes;
      return entry_bytes_ < kBatchEntryBytes ? Status() : apply(std::nullopt);
    }
    auto decoded = decode_roots(payload);
    if (!decoded.ok()) return damaged(decoded.error().message);
    for (Root& root : decoded->roots) batch_.roots.emplace_back(std::move(root), place);
    return {};
  }

  Status apply_if_large(Position position) {
    const std::size_t said = batch_.records.size() + batch_.refs.size() + batch_.roots.size() + batch_.entries.size();
    return said < kBatchRecords ? Status() : apply(position);
  }

  Status apply(std::optional<Position> position) {
    // A position already reached needs no write: opening a store that is up to date is free.
    if (batch_.says_nothing() && (!position || *position <= index_.applied())) return {};
    batch_.applied = position;
    batch_.next_sequence = out_.end.next_sequence;
    batch_.parts = parts_;
    CAIRN_CHECK(index_.apply(batch_));
    batch_ = IndexBatch{};
    entry_bytes_ = 0;
    return {};
  }

  Index& index_;
  ObjectParts* const parts_;
  WorkerPool* const pool_;
  ProgressMeter& meter_;
  const Position from_;
  IndexBatch batch_;
  std::uint64_t entry_bytes_ = 0;  // of the records of its entries
  Replayed out_;
};

// A segment that is missing among the others was reclaimed, or lost.
Status find_missing(const std::vector<std::uint32_t>& segments, const Position& from, const std::string& log_folder,
                    Index& index, Replayed& replayed) {
  CAIRN_TRY(const auto reclaimed, index.reclaimed());
  std::uint32_t expected = std::max(from.segment, 1u);
  for (const std::uint32_t number : segments) {
    if (number < expected) continue;
    for (; expected < number; ++expected) {
      replayed.gap = from.segment > 0;
      if (reclaimed && reclaimed->contains(expected)) continue;
      replayed.damage.push_back(segment_path(log_folder, expected) + ": missing");
      replayed.lost = true;
    }
    ++expected;
  }
  return {};
}

}  // namespace

Result<Replayed> replay_log(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag, Index& index,
                            WorkerPool* pool, const Progress& progress) {
  CAIRN_TRY(const std::vector<std::uint32_t> segments, list_segments(fs, log_folder));
  const Position from = index.applied();
  ProgressMeter meter(progress, from == Position{} ? "rebuild" : "replay", 0);
  LogReader reader(fs, log_folder);
  LoggedParts parts(reader);
  Replay replay(index, &parts, pool, meter);
  std::vector<std::uint32_t> found;
  bool gone = false;  // a segment that was there a moment before
  for (const std::uint32_t number : segments) {
    if (number < from.segment) continue;
    auto opened = open_segment(fs, log_folder, number, store_tag);
    // A writer without room takes the segment away that it could not begin; one that reclaims,
    // those before.
    const bool last = number == segments.back();
    if (!opened.ok() && opened.error().code == ErrorCode::not_found) {
      gone = gone || !last || number == from.segment;
      continue;
    }
    found.push_back(number);
    CAIRN_TRY(const OpenSegment segment, std::move(opened));
    CAIRN_CHECK(replay.segment(segment, last));
  }
  Replayed replayed = std::move(replay).finish();
  CAIRN_CHECK(find_missing(found, from, log_folder, index, replayed));
  replayed.gap = replayed.gap || gone;
  if (from.segment > 0 && (found.empty() || found.back() < from.segment)) {
    replayed.damage.push_back(segment_path(log_folder, from.segment) +
                              ": missing, though it had been applied up to byte " + std::to_string(from.offset));
    replayed.lost = true;
    replayed.end.segment = from.segment;
    replayed.end.sealed = true;
  }
  if (replayed.lost) {
    IndexBatch doubt;
    doubt.parts = &parts;
    doubt.doubt = replayed.damage.front();
    CAIRN_CHECK(index.apply(doubt));
  }
  return replayed;
}

Result<bool> follow_log(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag, Index& index,
                        const Position& to) {
  const Position from = index.applied();
  if (to <= from) return true;
  const Progress none;
  ProgressMeter meter(none, "follow", 0);
  Replay replay(index, nullptr, nullptr, meter);
  for (std::uint32_t number = std::max(from.segment, 1u); number <= to.segment; ++number) {
    auto opened = open_segment(fs, log_folder, number, store_tag);
    if (!opened.ok() && opened.error().code == ErrorCode::not_found) return false;
    CAIRN_TRY(const OpenSegment segment, std::move(opened));
    CAIRN_CHECK(replay.follow(segment, to));
  }
  return true;
}

}  // namespace cairn
