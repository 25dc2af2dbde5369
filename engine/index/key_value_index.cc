// SPDX-License-Identifier: Apache-2.0
#include "engine/index/key_value_index.h"

#include <algorithm>
#include <unordered_map>

#include "engine/base/errors.h"
#include "engine/index/entry_changes.h"
#include "engine/index/reference_counts.h"

namespace cairn {
namespace {

// A root is kept as a record of one.
Result<Root> decode_root_value(std::string_view value) {
  CAIRN_TRY(const PlacedPayload placed, decode_placed(value));
  CAIRN_TRY(RootsRecord record, decode_roots(placed.payload));
  if (record.roots.size() != 1 || record.roots.front().removed) {
    return make_error(ErrorCode::corruption, "index: a root's value is damaged");
  }
  return std::move(record.roots.front());
}

Result<RefRecord> decode_ref_value(std::string_view value) {
  CAIRN_TRY(const PlacedPayload placed, decode_placed(value));
  return decode_ref(placed.payload);
}

}  // namespace

std::uint64_t use_of(const RecordLocation& at) { return RecordDescriptor::kSize + std::uint64_t{at.stored_bytes}; }
std::uint64_t use_of(const RefRecord& ref) { return RecordDescriptor::kSize + encode(ref).size(); }
// Many share a record and its descriptor.
std::uint64_t use_of(const Root& root) { return encode(RootsRecord{.roots = {root}}).size(); }
std::uint64_t use_of(const StoredEntry& entry) { return 4 + entry.key.size() + encode_entry_body(entry).size(); }

Result<std::unique_ptr<KeyValueIndex>> KeyValueIndex::over(std::unique_ptr<KeyValueStore> store) {
  IndexState state;
  CAIRN_TRY(const auto value, store->get(kPositionKey));
  if (value) {
    CAIRN_TRY(state, decode_state(*value));
  }
  return std::unique_ptr<KeyValueIndex>(new KeyValueIndex(std::move(store), state));
}

IndexState KeyValueIndex::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Position KeyValueIndex::applied() const { return state().applied; }
std::uint64_t KeyValueIndex::next_sequence() const { return state().next_sequence; }

Result<std::optional<RecordLocation>> KeyValueIndex::find_record(RecordKind kind, const std::string& key) {
  CAIRN_TRY(const auto value, store_->get(key));
  if (!value) return std::optional<RecordLocation>();
  CAIRN_TRY(auto at, decode_location(kind, *value));
  if (at.segment == 0) return std::optional<RecordLocation>();  // only counted
  return std::optional(at);
}

Result<std::optional<RecordLocation>> KeyValueIndex::find_block(const Digest& digest) {
  return find_record(RecordKind::block, block_key(digest));
}

Result<std::optional<RecordLocation>> KeyValueIndex::find_object(RecordKind kind, const Digest& id) {
  return find_record(kind, object_key(kind, id));
}

Result<std::optional<RefRecord>> KeyValueIndex::find_ref(std::string_view name, std::uint64_t version) {
  CAIRN_TRY(const auto value, store_->get(version_key(name, version)));
  if (!value) return std::optional<RefRecord>();
  CAIRN_TRY(auto ref, decode_ref_value(*value));
  return std::optional(std::move(ref));
}

Result<std::optional<RefRecord>> KeyValueIndex::latest_ref(std::string_view name) {
  return last_ref_below(name, end_of_prefix(versions_prefix(name)));
}

Result<std::optional<RefRecord>> KeyValueIndex::ref_below(std::string_view name, std::uint64_t bound) {
  return last_ref_below(name, version_key(name, bound));
}

Result<std::optional<RefRecord>> KeyValueIndex::last_ref_below(std::string_view name, const std::string& bound) {
  CAIRN_TRY(const auto last, store_->last_below(versions_prefix(name), bound));
  if (!last) return std::optional<RefRecord>();
  CAIRN_TRY(auto ref, decode_ref_value(last->value));
  return std::optional(std::move(ref));
}

Result<std::optional<SeenFile>> KeyValueIndex::find_seen(std::string_view path) {
  CAIRN_TRY(const auto value, store_->get(seen_key(path)));
  if (!value) return std::optional<SeenFile>();
  CAIRN_TRY(auto seen, decode_seen(*value));
  return std::optional(std::move(seen));
}

Status KeyValueIndex::for_each_record(std::string_view prefix, bool counts, const VisitRecord& visit) {
  return store_->scan(prefix, prefix, [&](std::string_view key, std::string_view value) -> Result<bool> {
    const auto parsed = parse_record_key(key);
    if (!parsed) return make_error(ErrorCode::corruption, "index: a record's key is damaged");
    CAIRN_TRY(const auto at, decode_location(parsed->first, value));
    if (counts || at.segment != 0) CAIRN_CHECK(visit(parsed->second, at));
    return true;
  });
}

Status KeyValueIndex::for_each_block(const VisitRecord& visit) { return for_each_record(kBlockPrefix, false, visit); }
Status KeyValueIndex::for_each_object(const VisitRecord& visit) { return for_each_record(kObjectPrefix, false, visit); }

Status KeyValueIndex::for_each_ref(const VisitRef& visit) {
  return store_->scan(kRefPrefix, kRefPrefix, [&](std::string_view, std::string_view value) -> Result<bool> {
    CAIRN_TRY(const auto ref, decode_ref_value(value));
    CAIRN_CHECK(visit(ref));
    return true;
  });
}

Status KeyValueIndex::for_each_version(std::string_view name, std::uint64_t from, const VisitVersion& visit) {
  const auto decode = [&](std::string_view, std::string_view value) -> Result<bool> {
    CAIRN_TRY(const auto ref, decode_ref_value(value));
    return visit(ref);
  };
  return store_->scan(versions_prefix(name), version_key(name, from), decode);
}

Result<std::optional<Root>> KeyValueIndex::find_root(RecordKind kind, const Digest& id, std::string_view name) {
  CAIRN_TRY(const auto value, store_->get(root_key(Root{.kind = kind, .id = id, .name = std::string(name)})));
  if (!value) return std::optional<Root>();
  CAIRN_TRY(auto root, decode_root_value(*value));
  return std::optional(std::move(root));
}

Result<std::vector<Root>> KeyValueIndex::find_roots(const Digest& id) {
  std::vector<Root> roots;
  const std::string prefix = roots_prefix(id);
  const auto collect = [&](std::string_view, std::string_view value) -> Result<bool> {
    CAIRN_TRY(Root root, decode_root_value(value));
    roots.push_back(std::move(root));
    return true;
  };
  CAIRN_CHECK(store_->scan(prefix, prefix, collect));
  return roots;
}

Status KeyValueIndex::for_each_root(const std::optional<Digest>& after, const VisitRoot& visit) {
  const std::string from = after ? end_of_prefix(roots_prefix(*after)) : std::string(kRootPrefix);
  return store_->scan(kRootPrefix, from, [&](std::string_view, std::string_view value) -> Result<bool> {
    CAIRN_TRY(const Root root, decode_root_value(value));
    return visit(root);
  });
}

Status KeyValueIndex::add_records(const IndexBatch& batch, IndexState& next, KeyValueChanges& changes) {
  // Only a record that is not above everything applied before can find a higher one in
  // its place: a repetition after a crash, or one that reclaiming carried. Equal replaces
  // too: a carried record keeps its sequence and has a new place.
  const std::uint64_t highest_before = next.highest_sequence;
  std::unordered_map<std::string, std::uint64_t> in_batch;
  for (const IndexBatch::Put& put : batch.records) {
    if (is_statement(put.at.kind)) {
      return make_error(ErrorCode::invalid_argument, "index: a ref or a root is neither a block nor an object");
    }
    std::string key = record_key(put.key, put.at);
    const auto [entry, first] = in_batch.try_emplace(key, put.at.sequence);
    if (!first) {
      if (put.at.sequence < entry->second) continue;
      entry->second = put.at.sequence;
    }
    if (put.at.sequence <= highest_before) {
      CAIRN_TRY(const auto present, find_record(put.at.kind, key));
      if (present && present->sequence > put.at.sequence) continue;
    }
    next.highest_sequence = std::max(next.highest_sequence, put.at.sequence);
    changes.emplace_back(std::move(key), encode_location(put.at));
  }
  return {};
}

Result<std::optional<RecordPlace>> KeyValueIndex::find_place(const std::string& key) {
  CAIRN_TRY(const auto value, store_->get(key));
  if (!value) return std::optional<RecordPlace>();
  CAIRN_TRY(const PlacedPayload placed, decode_placed(*value));
  return std::optional(placed.place);
}

Result<std::optional<RecordPlace>> KeyValueIndex::find_ref_place(std::string_view name, std::uint64_t version) {
  return find_place(version_key(name, version));
}

Result<std::optional<RecordPlace>> KeyValueIndex::find_root_place(RecordKind kind, const Digest& id,
                                                                  std::string_view name) {
  return find_place(root_key(Root{.kind = kind, .id = id, .name = std::string(name)}));
}

// --- Entries ---

Result<std::optional<Placed<StoredEntry>>> KeyValueIndex::find_entry(std::string_view key) {
  using Found = std::optional<Placed<StoredEntry>>;
  CAIRN_TRY(const auto value, store_->get(entry_key(key)));
  if (!value) return Found();
  CAIRN_TRY(auto entry, decode_placed_entry(key, *value));
  return Found(std::move(entry));
}

Status KeyValueIndex::walk(const std::string& prefix, Order order, const std::string& from,
                           const KeyValueStore::Visit& visit) {
  if (order == Order::ascending) return store_->scan(prefix, std::max(prefix, from), visit);
  return store_->scan_below(prefix, from.empty() ? from : from + '\0', visit);
}

Status KeyValueIndex::for_each_entry(std::string_view prefix, Order order, std::string_view from,
                                     const VisitEntry& visit) {
  const auto decode = [&](std::string_view key, std::string_view value) -> Result<bool> {
    CAIRN_TRY(const auto entry, decode_placed_entry(key.substr(kEntryPrefix.size()), value));
    return visit(entry);
  };
  return walk(entry_key(prefix), order, from.empty() ? std::string() : entry_key(from), decode);
}

Status KeyValueIndex::for_each_index_key(std::string_view prefix, Order order, std::string_view from,
                                         const VisitIndexKey& visit) {
  const auto decode = [&](std::string_view bytes, std::string_view) -> Result<bool> {
    const auto parsed = parse_index_key(bytes);
    if (!parsed) return make_error(ErrorCode::corruption, "index: an index key is damaged");
    return visit(parsed->first, parsed->second);
  };
  std::string first;
  // All entries of the index key `from` belong to it: its own end sorts below every longer one.
  if (!from.empty()) first = index_key_prefix(from).append(2, '\0');
  if (!from.empty() && order == Order::descending) first = end_of_prefix(first);
  return walk(index_key_prefix(prefix), order, first, decode);
}

Result<std::optional<StoreClock>> KeyValueIndex::clock() {
  CAIRN_TRY(const auto value, store_->get(kClockKey));
  if (!value) return std::optional<StoreClock>();
  CAIRN_TRY(const StoreClock clock, decode_clock(*value));
  return std::optional(clock);
}

Result<std::uint64_t> KeyValueIndex::references(RecordKind kind, const Digest& id) {
  CAIRN_TRY(const auto value, store_->get(count_key(kind, id)));
  if (!value) return std::uint64_t{0};
  CAIRN_TRY(const auto at, decode_location(kind, *value));
  return at.references;
}

Status KeyValueIndex::for_each_count(const VisitRecord& visit) {
  CAIRN_CHECK(for_each_record(kBlockPrefix, true, visit));
  return for_each_record(kObjectPrefix, true, visit);
}

Result<std::vector<Reference>> KeyValueIndex::dead_objects() {
  std::vector<Reference> dead;
  const auto collect = [&](std::string_view key, std::string_view) -> Result<bool> {
    const auto parsed = parse_record_key(key);
    if (!parsed) return make_error(ErrorCode::corruption, "index: a dead object's key is damaged");
    dead.push_back({parsed->first, parsed->second});
    return true;
  };
  CAIRN_CHECK(store_->scan(kDeadObjectPrefix, kDeadObjectPrefix, collect));
  return dead;
}

Result<std::map<std::uint32_t, SegmentUse>> KeyValueIndex::segment_uses() {
  std::map<std::uint32_t, SegmentUse> uses;
  const auto collect = [&](std::string_view key, std::string_view value) -> Result<bool> {
    const auto segment = parse_segment_key(key);
    if (!segment) return make_error(ErrorCode::corruption, "index: a segment's key is damaged");
    CAIRN_TRY(uses[*segment], decode_use(value));
    return true;
  };
  CAIRN_CHECK(store_->scan(kSegmentPrefix, kSegmentPrefix, collect));
  return uses;
}

Result<std::optional<Placed<ReclaimedRecord>>> KeyValueIndex::reclaimed() {
  using Found = std::optional<Placed<ReclaimedRecord>>;
  CAIRN_TRY(const auto value, store_->get(kReclaimedKey));
  if (!value) return Found();
  CAIRN_TRY(const PlacedPayload placed, decode_placed(*value));
  CAIRN_TRY(ReclaimedRecord record, decode_reclaimed(placed.payload));
  return Found(Placed<ReclaimedRecord>(std::move(record), placed.place));
}

Result<std::optional<std::string>> KeyValueIndex::doubt() {
  CAIRN_TRY(auto doubt, store_->get(kDoubtKey));
  const std::uint64_t uncounted = state().uncounted;
  if (!doubt && uncounted > 0) doubt = "the parts of " + std::to_string(uncounted) + " damaged objects are not known";
  return doubt;
}

Result<std::map<std::uint32_t, SegmentCheck>> KeyValueIndex::segment_checks() {
  std::map<std::uint32_t, SegmentCheck> checks;
  const auto collect = [&](std::string_view key, std::string_view value) -> Result<bool> {
    const auto segment = parse_segment_key(key);
    if (!segment) return make_error(ErrorCode::corruption, "index: a segment's key is damaged");
    CAIRN_TRY(checks[*segment], decode_segment_check(value));
    return true;
  };
  CAIRN_CHECK(store_->scan(kSegmentCheckPrefix, kSegmentCheckPrefix, collect));
  return checks;
}

bool KeyValueIndex::counted() const {
  const std::lock_guard lock(mutex_);
  return counted_;
}

Status KeyValueIndex::add_uncounted(const IndexBatch& batch, IndexState& next, KeyValueChanges& changes) {
  CAIRN_CHECK(add_records(batch, next, changes));
  const auto add = [&](std::string key, const RecordPlace& place, bool removed, Bytes payload) {
    changes.emplace_back(std::move(key), removed ? std::nullopt : std::optional(encode_placed(place, payload)));
  };
  for (const auto& ref : batch.refs) {
    add(version_key(ref.name, ref.version), ref.place, ref.removed, encode(static_cast<const RefRecord&>(ref)));
  }
  for (const auto& root : batch.roots) {
    add(root_key(root), root.place, root.removed, encode(RootsRecord{.roots = {root}}));
  }
  EntryChanges entries(*store_);
  for (const auto& entry : batch.entries) CAIRN_CHECK(entries.add(entry));
  entries.take(changes);
  if (batch.reclaimed) {
    add(std::string(kReclaimedKey), batch.reclaimed->place, false,
        encode(static_cast<const ReclaimedRecord&>(*batch.reclaimed)));
  }
  return {};
}

Status KeyValueIndex::apply(const IndexBatch& batch) {
  const IndexState before = state();
  IndexState next = before;
  KeyValueChanges changes;
  changes.reserve(2 * batch.records.size() + batch.refs.size() + batch.roots.size() + batch.seen.size() + 2);
  if (batch.parts != nullptr) {
    CAIRN_CHECK(ReferenceCounts(*store_, *batch.parts).add(batch, next, changes));
  } else {
    CAIRN_CHECK(add_uncounted(batch, next, changes));
  }
  for (const auto& [path, seen] : batch.seen) changes.emplace_back(seen_key(path), encode_seen(seen));
  if (batch.clock) {
    CAIRN_TRY(const auto known, clock());
    if (!known || known->store_time_ns <= batch.clock->store_time_ns) {
      changes.emplace_back(std::string(kClockKey), encode_clock(*batch.clock));
    }
  }
  if (batch.applied) next.applied = std::max(next.applied, *batch.applied);
  next.next_sequence = std::max(next.next_sequence, batch.next_sequence);
  if (next != before) changes.emplace_back(std::string(kPositionKey), encode_state(next));
  if (changes.empty()) return {};
  CAIRN_CHECK(store_->write(changes));
  const std::lock_guard lock(mutex_);
  state_ = next;
  // A position alone counts nothing.
  counted_ = counted_ && (batch.parts != nullptr || batch.says_nothing());
  return {};
}

// Index keys follow entries.
Result<bool> KeyValueIndex::merge_entries(std::uint64_t room_bytes) {
  return store_->merge(kEntryPrefix, end_of_prefix(kIndexKeyPrefix), room_bytes);
}

Status KeyValueIndex::checkpoint() { return store_->checkpoint(applied()); }

}  // namespace cairn
