// SPDX-License-Identifier: Apache-2.0
//
// Archive: content as a stream.
#include "api/src/object_info.h"
#include "api/src/ref_name.h"
#include "api/src/state_files.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/read/file_reader.h"

namespace cairn {
namespace {

Status stream(StoreImpl& store, const FilePieces& pieces, const Archive::Sink& sink) {
  const Progress none;
  ProgressMeter meter(none, "read", pieces.total_bytes);
  return FileReader(store.blocks(), store.pool()).stream(pieces, sink, meter);
}

}  // namespace

Status Archive::read_file(const std::string& ref, const std::string& path, const Sink& sink) {
  CAIRN_TRY(const RefRecord record, find_ref(*store_, ref));
  CAIRN_TRY(const TreeManifest tree, load_ref_tree(*store_, record));
  for (const TreeEntry& state : tree.entries) {
    if (state.kind != EntryKind::state || !path.starts_with(state.path + "/")) continue;
    CAIRN_TRY(const StateFile file, find_state_file(*store_, state, path));
    CAIRN_CHECK(sink(file.head));
    return stream(*store_, file.pieces, sink);
  }
  CAIRN_TRY(const TreeEntry entry, find_file(tree, path));
  CAIRN_TRY(const FilePieces pieces, pieces_of_entry(*store_, entry));
  return stream(*store_, pieces, sink);
}

Status Archive::read_object(const std::string& id, const Sink& sink) {
  CAIRN_CHECK(store_->follow());
  CAIRN_TRY(const Digest digest, parse_digest(store_->header().digest, id));
  CAIRN_TRY(const FilePieces pieces, pieces_of_any(*store_, digest));
  return stream(*store_, pieces, sink);
}

Result<TensorInfo> Archive::find_tensor(const std::string& ref, const std::string& tensor) {
  CAIRN_CHECK(store_->follow());
  if (tensor.empty()) {
    CAIRN_TRY(const Digest id, parse_digest(store_->header().digest, ref));
    return describe_tensor(*store_, id);
  }
  CAIRN_TRY(const RefRecord record, find_ref(*store_, ref));
  CAIRN_TRY(const TreeManifest tree, load_ref_tree(*store_, record));
  struct Found {
    std::string path;
    Digest id;
  };
  std::vector<Found> found;
  for (const TreeEntry& entry : tree.entries) {
    if (entry.kind == EntryKind::state) {
      CAIRN_TRY(const StateManifest state, load_state(store_->blocks(), entry.blob));
      for (const StateValue& value : state.values) {
        const bool named = tensor == value.name || tensor == entry.path + ":" + value.name;
        if (named && value.kind == RecordKind::tensor) found.push_back({entry.path, value.id});
      }
    }
    if (!entry.is_model) continue;
    CAIRN_TRY(const ModelManifest model, load_model(store_->blocks(), entry.blob));
    for (const ModelTensor& candidate : model.tensors) {
      if (tensor == entry.path + ":" + candidate.name || tensor == candidate.name) {
        found.push_back({entry.path, candidate.tensor});
      }
    }
  }
  if (found.empty()) {
    return make_error(ErrorCode::not_found, "no tensor '" + printable(tensor) + "' in '" + printable(ref) + "'");
  }
  for (const Found& other : found) {
    if (other.id != found.front().id) {
      return make_error(ErrorCode::invalid_argument, "several files have a tensor '" + printable(tensor) +
                                                         "': write FILE:TENSOR, such as '" +
                                                         printable(found.front().path + ":" + tensor) + "'");
    }
  }
  CAIRN_TRY(TensorInfo info, describe_tensor(*store_, found.front().id));
  info.path = found.front().path;
  info.name = tensor.starts_with(info.path + ":") ? tensor.substr(info.path.size() + 1) : tensor;
  return info;
}

Status Archive::read_tensor(const TensorInfo& tensor, const Sink& sink) { return read_object(tensor.id, sink); }

}  // namespace cairn
