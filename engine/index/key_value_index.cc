// SPDX-License-Identifier: Apache-2.0
#include "engine/index/key_value_index.h"

#include <algorithm>
#include <unordered_map>

#include "engine/base/errors.h"

namespace cairn {
namespace {

// A root is kept as a record of one.
Result<Root> decode_root_value(std::string_view value) {
  CAIRN_TRY(RootsRecord record, decode_roots(as_bytes(value)));
  if (record.roots.size() != 1 || record.roots.front().removed) {
    return make_error(ErrorCode::corruption, "index: a root's value is damaged");
  }
  return std::move(record.roots.front());
}

}  // namespace

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
  CAIRN_TRY(auto ref, decode_ref(as_bytes(*value)));
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
  CAIRN_TRY(auto ref, decode_ref(as_bytes(last->value)));
  return std::optional(std::move(ref));
}

Result<std::optional<SeenFile>> KeyValueIndex::find_seen(std::string_view path) {
  CAIRN_TRY(const auto value, store_->get(seen_key(path)));
  if (!value) return std::optional<SeenFile>();
  CAIRN_TRY(auto seen, decode_seen(*value));
  return std::optional(std::move(seen));
}

Status KeyValueIndex::for_each_record(std::string_view prefix, const VisitRecord& visit) {
  return store_->scan(prefix, prefix, [&](std::string_view key, std::string_view value) -> Result<bool> {
    const auto parsed = parse_record_key(key);
    if (!parsed) return make_error(ErrorCode::corruption, "index: a record's key is damaged");
    CAIRN_TRY(const auto at, decode_location(parsed->first, value));
    CAIRN_CHECK(visit(parsed->second, at));
    return true;
  });
}

Status KeyValueIndex::for_each_block(const VisitRecord& visit) { return for_each_record(kBlockPrefix, visit); }
Status KeyValueIndex::for_each_object(const VisitRecord& visit) { return for_each_record(kObjectPrefix, visit); }

Status KeyValueIndex::for_each_ref(const VisitRef& visit) {
  return store_->scan(kRefPrefix, kRefPrefix, [&](std::string_view, std::string_view value) -> Result<bool> {
    CAIRN_TRY(const auto ref, decode_ref(as_bytes(value)));
    CAIRN_CHECK(visit(ref));
    return true;
  });
}

Status KeyValueIndex::for_each_version(std::string_view name, std::uint64_t from, const VisitVersion& visit) {
  const auto decode = [&](std::string_view, std::string_view value) -> Result<bool> {
    CAIRN_TRY(const auto ref, decode_ref(as_bytes(value)));
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
    if (put.at.kind == RecordKind::ref || put.at.kind == RecordKind::roots) {
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

Status KeyValueIndex::apply(const IndexBatch& batch) {
  const IndexState before = state();
  IndexState next = before;
  KeyValueChanges changes;
  changes.reserve(batch.records.size() + batch.refs.size() + batch.roots.size() + batch.seen.size() + 1);
  CAIRN_CHECK(add_records(batch, next, changes));
  for (const RefRecord& ref : batch.refs) {
    std::string key = version_key(ref.name, ref.version);
    if (ref.removed) {
      changes.emplace_back(std::move(key), std::nullopt);
    } else {
      changes.emplace_back(std::move(key), std::string(as_text(encode(ref))));
    }
  }
  for (const Root& root : batch.roots) {
    std::string key = root_key(root);
    if (root.removed) {
      changes.emplace_back(std::move(key), std::nullopt);
    } else {
      changes.emplace_back(std::move(key), std::string(as_text(encode(RootsRecord{.roots = {root}}))));
    }
  }
  for (const auto& [path, seen] : batch.seen) changes.emplace_back(seen_key(path), encode_seen(seen));
  if (batch.applied) next.applied = std::max(next.applied, *batch.applied);
  next.next_sequence = std::max(next.next_sequence, batch.next_sequence);
  if (next != before) changes.emplace_back(std::string(kPositionKey), encode_state(next));
  if (changes.empty()) return {};
  CAIRN_CHECK(store_->write(changes));
  const std::lock_guard lock(mutex_);
  state_ = next;
  return {};
}

Status KeyValueIndex::checkpoint() { return store_->checkpoint(applied()); }

}  // namespace cairn
