// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/segment_copy.h"

#include "engine/content/digester.h"
#include "engine/io/read_twice.h"
#include "engine/reclaim/segment_records.h"

namespace cairn {

SegmentCopy::SegmentCopy(const ReclaimParts& parts, const HeldContent& held, Carried& carried,
                         const SegmentChoice& choice, bool lowest)
    : parts_(parts),
      held_(held),
      carried_(carried),
      segment_(choice.segment),
      lowest_(lowest),
      tombstones_(choice.use.tombstone_bytes > 0 && !lowest) {}

// Without a table and with damaged heads, the index knows what is there, but for what says that
// something was named or removed.
Status SegmentCopy::open() {
  auto opened = read_twice([&] { return open_segment(parts_.fs, parts_.log_folder, segment_, parts_.store_tag); });
  if (!opened.ok() && opened.error().code == ErrorCode::io) return give_up(opened.error().message);
  CAIRN_TRY(const OpenSegment file, std::move(opened));
  CAIRN_TRY(SegmentRecords found, records_of(file, parts_.index));
  if (!found.unreadable.empty()) return give_up(found.unreadable);
  if (!found.damage.empty()) {
    const auto here = [&](const RecordPlace& place) { return place.segment == segment_; };
    CAIRN_TRY(const bool names, holds_names(here));
    if (names || tombstones_) return give_up(found.damage);
  }
  records_ = std::move(found.records);
  return {};
}

Status SegmentCopy::carry_next() {
  const RecordDescriptor& record = records_[next_++];
  if (record.kind == RecordKind::reclaimed) return {};  // a new one replaces it
  return is_statement(record.kind) ? carry_statement(record) : carry_content(record);
}

Status SegmentCopy::give_up(std::string why) {
  damage_ = std::move(why);
  return {};
}

// --- Blocks and objects ---

Status SegmentCopy::carry_content(const RecordDescriptor& record) {
  CAIRN_TRY(const auto at, record.kind == RecordKind::block ? parts_.index.find_block(record.key)
                                                            : parts_.index.find_object(record.kind, record.key));
  if (!at || at->segment != segment_ || at->offset != record.payload_offset) return {};  // it is elsewhere
  CAIRN_TRY(const std::uint64_t references, parts_.index.references(record.kind, record.key));
  if (references == 0 && !held_.contains(record.kind, record.key)) {
    carried_.dropped.push_back({record.kind, record.key});
    return {};
  }
  if (at->quarantined) {
    return give_up(std::string(record_kind_name(record.kind)) + " record at " + std::to_string(record.payload_offset) +
                   " was found damaged");
  }
  std::string wrong;
  CAIRN_TRY(const auto payload, whole_payload(record, wrong));
  return payload ? append(record, *payload) : give_up(wrong);
}

// Verified; nothing when it is damaged, and `wrong` says how.
Result<std::optional<Bytes>> SegmentCopy::whole_payload(const RecordDescriptor& record, std::string& wrong) {
  const auto payload =
      read_twice([&] { return parts_.reader.read(segment_, record.payload_offset, record.stored_bytes, buffer_); });
  if (payload.ok() && checksum_of(*payload) == record.checksum) return std::optional(*payload);
  if (!payload.ok() && payload.error().code != ErrorCode::corruption && payload.error().code != ErrorCode::io) {
    return payload.error();
  }
  wrong = std::string(record_kind_name(record.kind)) + " record at " + std::to_string(record.payload_offset) +
          (payload.ok() ? " does not match its checksum" : ": " + payload.error().message);
  return std::optional<Bytes>();
}

Status SegmentCopy::append(const RecordDescriptor& record, Bytes payload) {
  CAIRN_CHECK(parts_.log.append(NewRecord{.kind = record.kind,
                                          .codec = record.codec,
                                          .logical_bytes = record.logical_bytes,
                                          .key = record.key,
                                          .payload = payload,
                                          .checksum = record.checksum,
                                          .carried = record.sequence,
                                          .gives_back = true}));
  carried_.bytes += payload.size();
  return {};
}

// --- What says that something was named or removed ---

Status SegmentCopy::carry_statement(const RecordDescriptor& record) {
  std::string wrong;
  CAIRN_TRY(const auto payload, whole_payload(record, wrong));
  if (!payload) {
    CAIRN_TRY(const bool needed, may_be_needed(record));
    return needed ? give_up(wrong) : Status();
  }
  if (record.kind == RecordKind::ref) return carry_ref(record, *payload);
  return record.kind == RecordKind::roots ? carry_roots(record, *payload) : carry_entries(record, *payload);
}

Status SegmentCopy::carry_ref(const RecordDescriptor& record, Bytes payload) {
  const auto ref = decode_ref(payload);
  if (!ref.ok()) return give_up(ref.error().message);
  CAIRN_TRY(const auto place, parts_.index.find_ref_place(ref->name, ref->version));
  const RecordPlace here{segment_, record.payload_offset};
  const bool needed = ref->removed ? !place && !lowest_ : place == here;
  if (!needed) return {};
  CAIRN_CHECK(append(record, payload));
  carried_.refs.push_back(*ref);
  return {};
}

// Those that are current go on together.
Status SegmentCopy::carry_roots(const RecordDescriptor& record, Bytes payload) {
  auto decoded = decode_roots(payload);
  if (!decoded.ok()) return give_up(decoded.error().message);
  const RecordPlace here{segment_, record.payload_offset};
  RootsRecord needed;
  for (Root& root : decoded->roots) {
    CAIRN_TRY(const auto place, parts_.index.find_root_place(root.kind, root.id, root.name));
    if (root.removed) {
      if (place || lowest_) continue;
    } else {
      if (place != here) continue;
      // One name may have been given twice in a record: the last word counts.
      CAIRN_TRY(const auto current, parts_.index.find_root(root.kind, root.id, root.name));
      if (current != root) continue;
    }
    needed.roots.push_back(std::move(root));
  }
  if (needed.roots.empty()) return {};
  CAIRN_CHECK(append_part(record, encode(needed)));
  carried_.roots.push_back(std::move(needed.roots));
  return {};
}

// The same of entries. With them goes what the store's clock says by now: the record that said it
// may be one that is not needed.
Status SegmentCopy::carry_entries(const RecordDescriptor& record, Bytes payload) {
  auto decoded = decode_entries(payload);
  if (!decoded.ok()) return give_up(decoded.error().message);
  const RecordPlace here{segment_, record.payload_offset};
  EntriesRecord needed;
  for (StoredEntry& entry : decoded->entries) {
    CAIRN_TRY(const auto current, parts_.index.find_entry(entry.key));
    const bool is_needed =
        entry.removed ? !current && !lowest_
                      : current && current->place == here && static_cast<const StoredEntry&>(*current) == entry;
    if (is_needed) needed.entries.push_back(std::move(entry));
  }
  CAIRN_TRY(const auto clock, parts_.index.clock());
  // The last word about the time goes on by itself.
  if (needed.entries.empty() && clock != decoded->clock) return {};
  needed.clock = clock.value_or(decoded->clock);
  CAIRN_CHECK(append_part(record, encode(needed)));
  carried_.entries.push_back(std::move(needed));
  return {};
}

Status SegmentCopy::append_part(RecordDescriptor record, Bytes encoded) {
  record.key = digest_of(parts_.digest, encoded);
  record.checksum = checksum_of(encoded);
  record.logical_bytes = static_cast<std::uint32_t>(encoded.size());
  return append(record, encoded);
}

// Of a ref's or roots' record that is damaged: no, when what it said was said again elsewhere.
Result<bool> SegmentCopy::may_be_needed(const RecordDescriptor& statement) {
  if (tombstones_) return true;
  const RecordPlace here{segment_, statement.payload_offset};
  return holds_names([&](const RecordPlace& place) { return place == here; });
}

Result<bool> SegmentCopy::holds_names(const std::function<bool(const RecordPlace&)>& at) {
  bool holds = false;
  const auto visit_ref = [&](const RefRecord& ref) -> Status {
    CAIRN_TRY(const auto place, parts_.index.find_ref_place(ref.name, ref.version));
    holds = holds || (place && at(*place));
    return {};
  };
  const auto visit_root = [&](const Root& root) -> Result<bool> {
    CAIRN_TRY(const auto place, parts_.index.find_root_place(root.kind, root.id, root.name));
    holds = holds || (place && at(*place));
    return true;
  };
  const auto visit_entry = [&](const Placed<StoredEntry>& entry) -> Result<bool> {
    holds = holds || at(entry.place);
    return !holds;
  };
  CAIRN_CHECK(parts_.index.for_each_entry({}, Index::Order::ascending, {}, visit_entry));
  CAIRN_CHECK(parts_.index.for_each_ref(visit_ref));
  CAIRN_CHECK(parts_.index.for_each_root({}, visit_root));
  return holds;
}

}  // namespace cairn
