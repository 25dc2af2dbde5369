// SPDX-License-Identifier: Apache-2.0
//
// Archive: what is there, under which names, and what it is made of.
#include "api/src/base_names.h"
#include "api/src/delta_store.h"
#include "api/src/object_info.h"
#include "api/src/ref_name.h"
#include "cairn/retention.h"
#include "engine/base/errors.h"
#include "engine/content/model_file.h"

namespace cairn {
namespace {

// What a state holds is listed under it.
Status describe_state(StoreImpl& store, const TreeEntry& entry, ObjectInfo& info) {
  CAIRN_TRY(const StateManifest state, load_state(store.blocks(), entry.blob));
  for (EntryInfo& part : describe_state_parts(store, entry, state)) info.entries.push_back(std::move(part));
  CAIRN_TRY(std::vector<TensorInfo> tensors, describe_state_tensors(store, entry.path, state));
  info.tensors.insert(info.tensors.end(), std::make_move_iterator(tensors.begin()),
                      std::make_move_iterator(tensors.end()));
  for (const StateValue& value : state.values) {
    CAIRN_TRY(const FilePieces pieces, pieces_of_value(store.blocks(), value));
    CAIRN_CHECK(count_storage(store, pieces, info.codecs, info.stored_bytes));
  }
  return {};
}

Status describe_tree(StoreImpl& store, const TreeManifest& tree, ObjectInfo& info) {
  for (const TreeEntry& entry : tree.entries) {
    CAIRN_TRY(EntryInfo described, describe_entry(store, entry));
    info.entries.push_back(std::move(described));
    info.bytes += entry.bytes;
    if (entry.kind == EntryKind::state) CAIRN_CHECK(describe_state(store, entry, info));
    if (entry.kind != EntryKind::file) continue;
    CAIRN_TRY(const FilePieces pieces, pieces_of_entry(store, entry));
    CAIRN_CHECK(count_storage(store, pieces, info.codecs, info.stored_bytes));
    if (!entry.is_model) continue;
    CAIRN_TRY(std::vector<TensorInfo> tensors, describe_model_tensors(store, entry.path, entry.blob));
    info.tensors.insert(info.tensors.end(), std::make_move_iterator(tensors.begin()),
                        std::make_move_iterator(tensors.end()));
  }
  return {};
}

Result<ObjectInfo> describe_snapshot(StoreImpl& store, const Digest& id) {
  ObjectInfo info{.kind = "snapshot", .id = store.id_text(id)};
  CAIRN_TRY(const SnapshotManifest snapshot, load_snapshot(store.blocks(), id));
  info.metadata = snapshot.metadata;
  CAIRN_TRY(const TreeManifest tree, load_tree(store.blocks(), snapshot.tree));
  CAIRN_CHECK(describe_tree(store, tree, info));
  return info;
}

Result<ObjectInfo> describe_delta_object(StoreImpl& store, const Digest& id) {
  CAIRN_TRY(const DeltaManifest manifest, load_delta(store.blocks(), id));
  CAIRN_TRY(const DeltaInfo delta, describe_delta(store, id, manifest));
  ObjectInfo info{.kind = "delta", .id = delta.id, .bytes = delta.bytes, .stored_bytes = delta.stored_bytes};
  info.format = delta_kind_name(delta.kind);
  info.metadata = {{"target", delta.target}, {"lossless", delta.lossless() ? "yes" : "no"}};
  if (!delta.base.empty()) info.metadata["base"] = delta.base;
  if (!delta.lossless()) {
    info.metadata["result"] = delta.result;
    info.metadata["max_error"] = metric_text(delta.max_error);
    info.metadata["largest_error"] = metric_text(delta.largest_error);
    info.metadata["exceptions"] = std::to_string(delta.exceptions);
  }
  for (const DeltaStream& stream : manifest.streams) {
    CAIRN_TRY(const FilePieces pieces, pieces_of_blob(store.blocks(), stream.blob, stream.bytes));
    std::uint64_t counted = 0;
    CAIRN_CHECK(count_storage(store, pieces, info.codecs, counted));
  }
  if (manifest.kind == DeltaKind::whole) {
    CAIRN_TRY(TensorInfo tensor, describe_tensor(store, manifest.target));
    info.codecs = tensor.codecs;
    info.tensors.push_back(std::move(tensor));
  }
  return info;
}

Result<ObjectInfo> describe_content(StoreImpl& store, const Digest& id) {
  ObjectInfo info{.id = store.id_text(id)};
  CAIRN_TRY(const auto tensor_at, store.index().find_object(RecordKind::tensor, id));
  CAIRN_TRY(const auto model_at, store.index().find_object(RecordKind::model, id));
  CAIRN_TRY(const auto blob_at, store.index().find_object(RecordKind::blob, id));
  if (tensor_at) {
    info.kind = "tensor";
    CAIRN_TRY(TensorInfo tensor, describe_tensor(store, id));
    info.tensors.push_back(std::move(tensor));
  } else if (model_at) {
    info.kind = "model";
    CAIRN_TRY(const ModelManifest model, load_model(store.blocks(), id));
    info.format = model_format_name(static_cast<ModelFormat>(model.format));
    CAIRN_TRY(info.tensors, describe_model_tensors(store, "", id));
  } else {
    info.kind = blob_at ? "blob" : "block";
  }
  CAIRN_TRY(const FilePieces pieces, pieces_of_any(store, id));
  info.bytes = pieces.total_bytes;
  CAIRN_CHECK(count_storage(store, pieces, info.codecs, info.stored_bytes));
  return info;
}

Result<ObjectInfo> describe_id(StoreImpl& store, const Digest& id) {
  CAIRN_TRY(const auto snapshot_at, store.index().find_object(RecordKind::snapshot, id));
  if (snapshot_at) return describe_snapshot(store, id);
  CAIRN_TRY(const auto state_at, store.index().find_object(RecordKind::state, id));
  if (state_at) {
    ObjectInfo info{.kind = "state", .id = store.id_text(id)};
    const TreeEntry entry{.path = "state", .kind = EntryKind::state, .blob = id};
    CAIRN_CHECK(describe_state(store, entry, info));
    for (const EntryInfo& part : info.entries) info.bytes += part.bytes;
    for (const TensorInfo& tensor : info.tensors) info.bytes += tensor.bytes;
    return info;
  }
  CAIRN_TRY(const auto delta_at, store.index().find_object(RecordKind::delta, id));
  if (delta_at) return describe_delta_object(store, id);
  CAIRN_TRY(const auto tree_at, store.index().find_object(RecordKind::tree, id));
  if (!tree_at) return describe_content(store, id);
  ObjectInfo info{.kind = "tree", .id = store.id_text(id)};
  CAIRN_TRY(const TreeManifest tree, load_tree(store.blocks(), id));
  CAIRN_CHECK(describe_tree(store, tree, info));
  return info;
}

}  // namespace

Result<std::vector<RefInfo>> Archive::list() {
  CAIRN_CHECK(store_->follow());
  std::vector<RefInfo> refs;
  const auto collect = [&](const RefRecord& ref) -> Status {
    refs.push_back(to_info(*store_, ref));
    return {};
  };
  CAIRN_CHECK(store_->index().for_each_ref(collect));
  return refs;
}

Result<RefInfo> Archive::resolve(const std::string& ref) {
  CAIRN_TRY(const RefRecord record, find_ref(*store_, ref));
  return to_info(*store_, record);
}

Result<std::vector<EntryInfo>> Archive::entries(const std::string& ref) {
  CAIRN_TRY(const RefRecord record, find_ref(*store_, ref));
  CAIRN_TRY(const TreeManifest tree, load_ref_tree(*store_, record));
  std::vector<EntryInfo> entries;
  for (const TreeEntry& entry : tree.entries) {
    CAIRN_TRY(EntryInfo info, describe_entry(*store_, entry));
    entries.push_back(std::move(info));
    if (entry.kind != EntryKind::state) continue;
    CAIRN_TRY(const StateManifest state, load_state(store_->blocks(), entry.blob));
    for (EntryInfo& part : describe_state_parts(*store_, entry, state)) entries.push_back(std::move(part));
  }
  return entries;
}

Result<ObjectInfo> Archive::show(const std::string& ref_or_id) {
  // An id is never a name that somebody would give; when it is, the name wins.
  const auto id = parse_digest(store_->header().digest, ref_or_id);
  const auto ref = find_ref(*store_, ref_or_id);
  if (!ref.ok()) {
    if (!id.ok()) return ref.error();
    CAIRN_TRY(ObjectInfo info, describe_id(*store_, *id));
    CAIRN_CHECK(name_bases(*store_, std::nullopt, info.tensors));
    return info;
  }
  CAIRN_TRY(ObjectInfo info, describe_snapshot(*store_, ref->snapshot));
  info.ref = to_info(*store_, *ref);
  CAIRN_CHECK(name_bases(*store_, *ref, info.tensors));
  return info;
}

Result<RefInfo> Archive::tag(const std::string& ref, const Tags& changes) {
  CAIRN_TRY(const StoreImpl::Writing writing, store_->begin_writing());
  CAIRN_TRY(RefRecord record, resolve_ref(*store_, ref));
  for (const auto& [key, value] : changes) {
    if (key.empty()) return make_error(ErrorCode::invalid_argument, "a tag has a name");
    if (value.empty()) {
      record.tags.erase(key);
    } else {
      record.tags[key] = value;
    }
  }
  BlockSink sink({.digest = store_->header().digest, .block_bytes = store_->header().block_bytes}, store_->index(),
                 *writing.log, store_->parts());
  CAIRN_CHECK(sink.write_ref(record));
  CAIRN_CHECK(sink.commit());
  return to_info(*store_, record);
}

}  // namespace cairn
