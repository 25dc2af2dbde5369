// SPDX-License-Identifier: Apache-2.0
#include "api/src/object_info.h"

#include <algorithm>
#include <unordered_set>

#include "api/src/state_files.h"
#include "engine/base/errors.h"
#include "engine/codec/block_codec.h"
#include "engine/content/model_file.h"

namespace cairn {

namespace {

const char* kind_name(EntryKind kind) {
  switch (kind) {
    case EntryKind::file: return "file";
    case EntryKind::directory: return "directory";
    case EntryKind::symlink: return "symlink";
    case EntryKind::state: break;
  }
  return "state";
}

}  // namespace

Result<EntryInfo> describe_entry(StoreImpl& store, const TreeEntry& entry) {
  EntryInfo info{.path = entry.path,
                 .kind = kind_name(entry.kind),
                 .bytes = entry.bytes,
                 .tensors = entry.tensors,
                 .mode = entry.mode,
                 .mtime_ns = entry.mtime_ns,
                 .link_target = entry.link_target,
                 .note = entry.note};
  if (entry.kind == EntryKind::state) {
    info.id = store.id_text(entry.blob);
    info.format = "state";
  }
  if (entry.kind != EntryKind::file) return info;
  info.id = store.id_text(entry.blob);
  info.format = "opaque";
  if (entry.is_model) {
    CAIRN_TRY(const ModelManifest model, load_model(store.blocks(), entry.blob));
    info.format = model_format_name(static_cast<ModelFormat>(model.format));
  }
  return info;
}

Result<TensorInfo> describe_tensor(StoreImpl& store, const Digest& id) {
  CAIRN_TRY(const TensorManifest tensor, load_tensor(store.blocks(), id));
  TensorInfo info{.dtype = tensor.dtype,
                  .shape = tensor.shape,
                  .bytes = tensor.bytes,
                  .id = store.id_text(id),
                  .blob = store.id_text(tensor.blob)};
  CAIRN_TRY(const FilePieces pieces, pieces_of_blob(store.blocks(), tensor.blob, tensor.bytes));
  CAIRN_CHECK(count_storage(store, pieces, info.codecs, info.stored_bytes));
  return info;
}

Result<std::vector<TensorInfo>> describe_model_tensors(StoreImpl& store, const std::string& path,
                                                       const Digest& model_id) {
  CAIRN_TRY(const ModelManifest model, load_model(store.blocks(), model_id));
  std::vector<TensorInfo> tensors;
  tensors.reserve(model.tensors.size());
  for (const ModelTensor& entry : model.tensors) {
    CAIRN_TRY(TensorInfo info, describe_tensor(store, entry.tensor));
    info.path = path;
    info.name = entry.name;
    tensors.push_back(std::move(info));
  }
  return tensors;
}

Result<std::vector<TensorInfo>> describe_state_tensors(StoreImpl& store, const std::string& path,
                                                       const StateManifest& state) {
  std::vector<TensorInfo> tensors;
  for (const StateValue& value : state.values) {
    if (value.kind != RecordKind::tensor) continue;
    CAIRN_TRY(TensorInfo info, describe_tensor(store, value.id));
    info.path = path;
    info.name = value.name;
    tensors.push_back(std::move(info));
  }
  return tensors;
}

std::vector<EntryInfo> describe_state_parts(StoreImpl& store, const TreeEntry& entry, const StateManifest& state) {
  std::vector<EntryInfo> parts;
  for (const StateValue& value : state.values) {
    if (value.kind == RecordKind::tensor) continue;
    parts.push_back({.path = state_part_path(entry, value.name),
                     .kind = "part",
                     .bytes = value.bytes,
                     .id = store.id_text(value.id),
                     .format = "opaque",
                     .mode = entry.mode,
                     .mtime_ns = entry.mtime_ns});
  }
  return parts;
}

Status count_storage(StoreImpl& store, const FilePieces& pieces, std::map<std::string, std::uint64_t>& codecs,
                     std::uint64_t& stored_bytes) {
  std::unordered_set<Digest> counted;
  for (const Piece& piece : pieces.pieces) {
    if (!counted.insert(piece.block.digest).second) continue;
    CAIRN_TRY(const auto at, store.index().find_block(piece.block.digest));
    if (!at) return make_error(ErrorCode::not_found, "no block " + store.id_text(piece.block.digest));
    ++codecs[std::string(codec_name(static_cast<CodecId>(at->codec)))];
    stored_bytes += at->stored_bytes;
  }
  return {};
}

Result<FilePieces> pieces_of_any(StoreImpl& store, const Digest& id) {
  Index& index = store.index();
  CAIRN_TRY(const auto tensor_at, index.find_object(RecordKind::tensor, id));
  if (tensor_at) {
    CAIRN_TRY(const TensorManifest tensor, load_tensor(store.blocks(), id));
    return pieces_of_blob(store.blocks(), tensor.blob, tensor.bytes);
  }
  CAIRN_TRY(const auto model_at, index.find_object(RecordKind::model, id));
  if (model_at) return pieces_of_model(store.blocks(), id);
  CAIRN_TRY(const auto blob_at, index.find_object(RecordKind::blob, id));
  if (blob_at) {
    CAIRN_TRY(const BlobManifest blob, load_blob(store.blocks(), id));
    return pieces_of_blob(store.blocks(), id, blob.total_bytes);
  }
  CAIRN_TRY(const auto block_at, index.find_block(id));
  if (block_at) return pieces_of_blob(store.blocks(), id, block_at->logical_bytes);
  CAIRN_TRY(const auto delta_at, index.find_object(RecordKind::delta, id));
  if (delta_at) return make_error(ErrorCode::invalid_argument, store.id_text(id) + " is a delta, to be loaded as one");
  return make_error(ErrorCode::not_found, "no content with id " + store.id_text(id));
}

Result<TreeEntry> find_file(const TreeManifest& tree, const std::string& path) {
  const auto found = std::lower_bound(tree.entries.begin(), tree.entries.end(), path,
                                      [](const TreeEntry& entry, const std::string& p) { return entry.path < p; });
  if (found == tree.entries.end() || found->path != path) {
    return make_error(ErrorCode::not_found,
                      "no file '" + printable(path) + "' in that version: 'cairn ls NAME' lists its paths");
  }
  if (found->kind != EntryKind::file) {
    return make_error(ErrorCode::invalid_argument, "'" + printable(path) + "' is not a file");
  }
  return *found;
}

Result<FilePieces> pieces_of_entry(StoreImpl& store, const TreeEntry& entry) {
  return entry.is_model ? pieces_of_model(store.blocks(), entry.blob)
                        : pieces_of_blob(store.blocks(), entry.blob, entry.bytes);
}

}  // namespace cairn
