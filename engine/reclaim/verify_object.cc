// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/verify_object.h"

#include "engine/base/errors.h"
#include "engine/content/digester.h"

namespace cairn {

Status verify_payload(DigestKind digest, RecordKind kind, const Digest& id, Bytes bytes) {
  Digest actual = id;
  switch (kind) {
    case RecordKind::blob: {
      CAIRN_TRY(const BlobManifest blob, decode_blob(bytes));
      return {};
    }
    case RecordKind::model: {
      CAIRN_TRY(const ModelManifest model, decode_model(bytes));
      return {};
    }
    case RecordKind::tensor: {
      CAIRN_TRY(const TensorManifest tensor, decode_tensor(bytes));
      actual = tensor_id(digest, tensor.dtype, tensor.attribute, tensor.shape, tensor.blob);
      break;
    }
    case RecordKind::tree: {
      CAIRN_TRY(const TreeManifest tree, decode_tree(bytes));
      actual = tree_id(digest, bytes);
      break;
    }
    case RecordKind::state: {
      CAIRN_TRY(const StateManifest state, decode_state_manifest(bytes));
      actual = state_id(digest, bytes);
      break;
    }
    case RecordKind::delta: {
      CAIRN_TRY(const DeltaManifest delta, decode_delta(bytes));
      actual = delta_id(digest, bytes);
      break;
    }
    case RecordKind::snapshot: {
      CAIRN_TRY(const SnapshotManifest snapshot, decode_snapshot(bytes));
      actual = snapshot_id(digest, bytes);
      break;
    }
    case RecordKind::block:
    case RecordKind::ref:
    case RecordKind::roots:
    case RecordKind::entries:
    case RecordKind::reclaimed:
      return make_error(ErrorCode::corruption, "a record of another kind in place of an object");
  }
  if (actual != id) {
    return make_error(ErrorCode::corruption, std::string(record_kind_name(kind)) + " " + to_text(digest, id) +
                                                 ": content has id " + to_text(digest, actual));
  }
  return {};
}

Status verify_object(BlockReader& reader, const Digest& id, const RecordLocation& at) {
  CAIRN_TRY(const std::vector<std::byte> bytes, reader.read_object_at(id, at));
  return verify_payload(reader.digest_kind(), at.kind, id, bytes);
}

}  // namespace cairn
