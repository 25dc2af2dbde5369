// SPDX-License-Identifier: Apache-2.0
#include "engine/index/reference_counts.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/base/errors.h"

namespace cairn {
namespace {

Error wrong_count(const std::string& why) {
  return make_error(ErrorCode::corruption, "index: " + why + "; rebuild it with 'repair --index'");
}

}  // namespace

// --- What is looked at ---

Result<ReferenceCounts::Entry*> ReferenceCounts::entry(std::string key, RecordKind kind, const Digest& id) {
  const auto [found, fresh] = entries_.try_emplace(std::move(key));
  Entry& entry = found->second;
  if (!fresh) return &entry;
  entry.id = id;
  entry.at.kind = kind;
  auto value = store_.get(found->first);
  if (value.ok() && *value) {
    auto at = decode_location(kind, **value);
    if (at.ok()) {
      entry.at = *at;
      entry.was_quarantined = at->quarantined;
      entry.was_uncounted = at->uncounted;
      return &entry;
    }
    value = std::move(at).error();
  }
  if (value.ok()) return &entry;
  entries_.erase(found);
  return std::move(value).error();
}

Result<ReferenceCounts::Entry*> ReferenceCounts::record_entry(RecordKind kind, const Digest& id) {
  return entry(kind == RecordKind::block ? block_key(id) : object_key(kind, id), kind, id);
}

Result<ReferenceCounts::Entry*> ReferenceCounts::count_entry(RecordKind kind, const Digest& id) {
  return record_entry(kind == RecordKind::blob ? RecordKind::block : kind, id);
}

Result<bool> ReferenceCounts::is_live(RecordKind kind, const Digest& id) {
  CAIRN_TRY(const Entry* counted, count_entry(kind, id));
  return counted->at.references > 0;
}

Result<SegmentUse*> ReferenceCounts::use(std::uint32_t segment) {
  const auto known = uses_.find(segment);
  if (known != uses_.end()) return &known->second;
  SegmentUse use;
  CAIRN_TRY(const auto value, store_.get(segment_key(segment)));
  if (value) {
    CAIRN_TRY(use, decode_use(*value));
  }
  return &uses_.emplace(segment, use).first->second;
}

Status ReferenceCounts::count_use(const RecordLocation& at, bool live) {
  CAIRN_TRY(SegmentUse * used, use(at.segment));
  const std::uint64_t bytes = use_of(at);
  if (live) {
    used->live_bytes += bytes;
    return {};
  }
  if (used->live_bytes < bytes) {
    return wrong_count("segment " + std::to_string(at.segment) + " has less live bytes than its records");
  }
  used->live_bytes -= bytes;
  return {};
}

// --- What a batch says ---

// The highest sequence of a key wins, whatever the order of arrival; of equal ones the last
// to arrive, which was carried to a new place.
Status ReferenceCounts::add_record(const IndexBatch::Put& put, IndexState& next) {
  if (is_statement(put.at.kind)) {
    return make_error(ErrorCode::invalid_argument, "index: a ref or a root is neither a block nor an object");
  }
  next.highest_sequence = std::max(next.highest_sequence, put.at.sequence);
  CAIRN_TRY(Entry * record, record_entry(put.at.kind, put.key));
  const RecordLocation before = record->at;
  const bool was_there = record->is_there();
  if (was_there && before.segment == put.at.segment && before.offset == put.at.offset) return {};  // applied before
  CAIRN_TRY(SegmentUse * used, use(put.at.segment));
  used->record_bytes += use_of(put.at);
  if (was_there && before.sequence > put.at.sequence) return {};
  CAIRN_TRY(const bool live, is_live(put.at.kind, put.key));
  // What has the same bytes has the same parts: those of a damaged one cannot be asked for.
  const bool same_bytes =
      before.checksum == put.at.checksum && before.stored_bytes == put.at.stored_bytes && before.codec == put.at.codec;
  const bool same_parts = was_there && !before.uncounted && (before.sequence == put.at.sequence || same_bytes);
  if (was_there && live) {
    CAIRN_CHECK(count_use(before, false));
    if (!same_parts) CAIRN_CHECK(change_parts(*record, -1));
  } else if (was_there && !has_parts(put.at)) {
    note_dead(*record, false);  // a delta block that died is whole by itself now
  }
  record->at = put.at;
  record->at.references = before.references;
  record->changed = true;
  if (!live) {
    note_dead(*record, true);
    return {};
  }
  CAIRN_CHECK(count_use(record->at, true));
  return same_parts ? Status() : change_parts(*record, 1);
}

Result<bool> ReferenceCounts::add_statement(Statement statement, std::optional<std::string>& before) {
  const auto changed = others_.find(statement.key);
  if (changed != others_.end()) {
    before = changed->second;
  } else {
    CAIRN_TRY(before, store_.get(statement.key));
  }
  std::optional<std::string> now;
  if (!statement.removed) now = encode_placed(statement.place, statement.payload);
  if (before && before == now) return false;
  CAIRN_TRY(SegmentUse * used, use(statement.place.segment));
  used->record_bytes += statement.use;
  (statement.removed ? used->tombstone_bytes : used->live_bytes) += statement.use;
  others_[std::move(statement.key)] = std::move(now);
  return true;
}

Status ReferenceCounts::add_ref(const Placed<RefRecord>& ref) {
  std::optional<std::string> before;
  CAIRN_TRY(const bool news, add_statement({.key = version_key(ref.name, ref.version),
                                            .place = ref.place,
                                            .removed = ref.removed,
                                            .use = use_of(static_cast<const RefRecord&>(ref)),
                                            .payload = encode(static_cast<const RefRecord&>(ref))},
                                           before));
  if (!news) return {};
  if (before) {
    CAIRN_TRY(const PlacedPayload placed, decode_placed(*before));
    CAIRN_TRY(const RefRecord old, decode_ref(placed.payload));
    CAIRN_TRY(SegmentUse * used, use(placed.place.segment));
    used->live_bytes -= std::min(used->live_bytes, use_of(old));
    change(RecordKind::snapshot, old.snapshot, -1);
  }
  if (!ref.removed) change(RecordKind::snapshot, ref.snapshot, 1);
  return {};
}

Status ReferenceCounts::add_root(const Placed<Root>& root) {
  std::optional<std::string> before;
  CAIRN_TRY(const bool news, add_statement({.key = root_key(root),
                                            .place = root.place,
                                            .removed = root.removed,
                                            .use = use_of(static_cast<const Root&>(root)),
                                            .payload = encode(RootsRecord{.roots = {root}})},
                                           before));
  if (!news) return {};
  if (before) {
    CAIRN_TRY(const PlacedPayload placed, decode_placed(*before));
    CAIRN_TRY(const RootsRecord old, decode_roots(placed.payload));
    if (old.roots.size() != 1) return wrong_count("a root's value is damaged");
    CAIRN_TRY(SegmentUse * used, use(placed.place.segment));
    used->live_bytes -= std::min(used->live_bytes, use_of(old.roots.front()));
    change(root.kind, root.id, -1);
  }
  if (!root.removed) change(root.kind, root.id, 1);
  return {};
}

Status ReferenceCounts::add_entry(const Placed<StoredEntry>& entry) {
  const auto gone = [&](const Placed<StoredEntry>& old) -> Status {
    CAIRN_TRY(SegmentUse * used, use(old.place.segment));
    used->live_bytes -= std::min(used->live_bytes, use_of(static_cast<const StoredEntry&>(old)));
    for (const Reference& reference : old.references) change(reference.kind, reference.id, -1);
    return {};
  };
  CAIRN_TRY(const bool news, stored_entries_.add(entry, gone));
  if (!news) return {};
  const std::uint64_t bytes = use_of(static_cast<const StoredEntry&>(entry));
  CAIRN_TRY(SegmentUse * used, use(entry.place.segment));
  used->record_bytes += bytes;
  (entry.removed ? used->tombstone_bytes : used->live_bytes) += bytes;
  for (const Reference& reference : entry.references) change(reference.kind, reference.id, 1);
  return {};
}

// --- Counting ---

void ReferenceCounts::change(RecordKind kind, const Digest& id, std::int64_t by) {
  Change& change = pending_.try_emplace(count_key(kind, id)).first->second;
  change.id = id;
  change.kind = kind == RecordKind::blob ? RecordKind::block : kind;
  change.by += by;
}

Status ReferenceCounts::change_parts(Entry& object, std::int64_t by) {
  if (!has_parts(object.at)) return {};
  if (by < 0 && object.at.uncounted) {
    object.at.uncounted = false;
    object.changed = true;
    return {};
  }
  CAIRN_TRY(const auto parts, parts_.parts_of(object.id, object.at));
  if (!parts) {
    object.at.quarantined = true;
    object.at.uncounted = by > 0;
    object.changed = true;
    if (by > 0) return {};
    others_[std::string(kDoubtKey)] = std::string(record_kind_name(object.at.kind)) + " in segment " +
                                      std::to_string(object.at.segment) + " at " + std::to_string(object.at.offset);
    return {};
  }
  for (const Reference& part : *parts) change(part.kind, part.id, by);
  return {};
}

// What gains references goes first: what is given up by one and taken by another is not
// turned twice. The outcome is the same in any order.
Status ReferenceCounts::settle() {
  // In the order of the keys: what is looked up next lies beside what was looked up before.
  const auto queue = [&] {
    if (pending_.empty()) return;
    // To clear a table costs as much as its room, which one change of a million pieces leaves large.
    const auto pending = std::exchange(pending_, {});
    std::vector<const Change*> changes;
    for (const auto& [key, change] : pending) {
      if (change.by != 0) changes.push_back(&change);
    }
    std::ranges::sort(
        changes, [](const Change* a, const Change* b) { return std::tie(a->kind, a->id) < std::tie(b->kind, b->id); });
    for (const Change* change : changes) (change->by > 0 ? up_ : down_).push_back(*change);
  };
  queue();
  while (!up_.empty() || !down_.empty()) {
    std::deque<Change>& next = up_.empty() ? down_ : up_;
    const Change first = next.front();
    next.pop_front();
    CAIRN_CHECK(settle(first));
    queue();
  }
  return {};
}

Status ReferenceCounts::settle(const Change& change) {
  CAIRN_TRY(Entry * counted, record_entry(change.kind, change.id));
  const std::uint64_t before = counted->at.references;
  std::uint64_t after = before + static_cast<std::uint64_t>(change.by);
  if (change.by < 0 && before < static_cast<std::uint64_t>(-change.by)) {
    // Only where something could not be counted: see doubt().
    CAIRN_TRY(const auto doubt, store_.get(kDoubtKey));
    if (!doubt && !others_.contains(std::string(kDoubtKey))) return wrong_count("something has too few references");
    after = 0;
  }
  counted->at.references = after;
  counted->changed = true;
  if ((before == 0) == (after == 0)) return {};
  if (counted->is_there()) CAIRN_CHECK(turn(*counted, after > 0));
  if (change.kind != RecordKind::block) return {};
  CAIRN_TRY(Entry * blob, record_entry(RecordKind::blob, change.id));
  return blob->is_there() ? turn(*blob, after > 0) : Status();
}

Status ReferenceCounts::turn(Entry& record, bool live) {
  CAIRN_CHECK(count_use(record.at, live));
  note_dead(record, !live);
  return change_parts(record, live ? 1 : -1);
}

void ReferenceCounts::note_dead(const Entry& object, bool dead) {
  if (!has_parts(object.at)) return;
  auto& value = others_[dead_object_key(object.at.kind, object.id)];
  value.reset();
  if (dead) value.emplace();
}

// --- Reclaiming ---

Status ReferenceCounts::drop(const Reference& dropped) {
  CAIRN_TRY(const bool live, is_live(dropped.kind, dropped.id));
  if (live) return wrong_count("something live was to be dropped");
  CAIRN_TRY(Entry * record, record_entry(dropped.kind, dropped.id));
  note_dead(*record, false);
  record->at = RecordLocation{.kind = dropped.kind, .references = record->at.references};
  record->changed = true;
  return {};
}

Status ReferenceCounts::remove_segment(std::uint32_t segment) {
  CAIRN_TRY(const SegmentUse* used, use(segment));
  if (used->live_bytes > 0) {
    return wrong_count("segment " + std::to_string(segment) + " was to be removed, and holds " +
                       std::to_string(used->live_bytes) + " live bytes");
  }
  uses_.erase(segment);
  others_[segment_key(segment)].reset();
  others_[segment_check_key(segment)].reset();
  return {};
}

// --- Damage ---

Status ReferenceCounts::pass(const Verdict& verdict) {
  CAIRN_TRY(Entry * record, record_entry(verdict.kind, verdict.key));
  RecordLocation& at = record->at;
  if (!record->is_there() || at.segment != verdict.place.segment || at.offset != verdict.place.offset) return {};
  if (at.quarantined == verdict.damaged && !at.uncounted) return {};
  at.quarantined = verdict.damaged;
  record->changed = true;
  if (verdict.damaged || !at.uncounted) return {};
  at.uncounted = false;
  return change_parts(*record, 1);
}

Status ReferenceCounts::add(const IndexBatch& batch, IndexState& next, KeyValueChanges& changes) {
  entries_.reserve(2 * batch.records.size() + batch.roots.size());
  for (const IndexBatch::Put& put : batch.records) CAIRN_CHECK(add_record(put, next));
  for (const auto& ref : batch.refs) CAIRN_CHECK(add_ref(ref));
  for (const auto& root : batch.roots) CAIRN_CHECK(add_root(root));
  for (const auto& entry : batch.entries) CAIRN_CHECK(add_entry(entry));
  // Counts as little as the log's own headers: there is one that is needed, and it is small.
  if (batch.reclaimed) {
    others_[std::string(kReclaimedKey)] =
        encode_placed(batch.reclaimed->place, encode(static_cast<const ReclaimedRecord&>(*batch.reclaimed)));
  }
  if (batch.doubt) others_[std::string(kDoubtKey)] = *batch.doubt;
  if (batch.checked) others_[segment_check_key(batch.checked->first)] = encode_segment_check(batch.checked->second);
  for (const Verdict& verdict : batch.verdicts) CAIRN_CHECK(pass(verdict));
  CAIRN_CHECK(settle());
  for (const Reference& dropped : batch.dropped) CAIRN_CHECK(drop(dropped));
  for (const std::uint32_t segment : batch.removed_segments) CAIRN_CHECK(remove_segment(segment));

  for (auto& [key, entry] : entries_) {
    if (!entry.changed) continue;
    next.quarantined += entry.at.quarantined;
    next.quarantined -= entry.was_quarantined;
    next.uncounted += entry.at.uncounted;
    next.uncounted -= entry.was_uncounted;
    const bool nothing = !entry.is_there() && entry.at.references == 0;
    changes.emplace_back(key, nothing ? std::nullopt : std::optional(encode_location(entry.at)));
  }
  for (const auto& [segment, used] : uses_) changes.emplace_back(segment_key(segment), encode_use(used));
  stored_entries_.take(changes);
  for (auto& [key, value] : others_) changes.emplace_back(key, std::move(value));
  return {};
}

}  // namespace cairn
