// SPDX-License-Identifier: Apache-2.0
#include "engine/format/references.h"

#include "engine/format/delta_head.h"

namespace cairn {

Result<std::vector<Reference>> references_of(RecordKind kind, Bytes payload) {
  std::vector<Reference> references;
  switch (kind) {
    case RecordKind::blob: {
      CAIRN_TRY(const BlobManifest blob, decode_blob(payload));
      references.reserve(blob.blocks.size());
      for (const BlockRef& block : blob.blocks) references.push_back({RecordKind::block, block.digest});
      break;
    }
    case RecordKind::tensor: {
      CAIRN_TRY(const TensorManifest tensor, decode_tensor(payload));
      references.push_back({RecordKind::blob, tensor.blob});
      break;
    }
    case RecordKind::model: {
      CAIRN_TRY(const ModelManifest model, decode_model(payload));
      references.push_back({RecordKind::blob, model.skeleton});
      for (const ModelTensor& tensor : model.tensors) references.push_back({RecordKind::tensor, tensor.tensor});
      break;
    }
    case RecordKind::tree: {
      CAIRN_TRY(const TreeManifest tree, decode_tree(payload));
      for (const TreeEntry& entry : tree.entries) {
        if (entry.kind == EntryKind::state) references.push_back({RecordKind::state, entry.blob});
        if (entry.kind != EntryKind::file) continue;
        references.push_back({entry.is_model ? RecordKind::model : RecordKind::blob, entry.blob});
      }
      break;
    }
    case RecordKind::state: {
      CAIRN_TRY(const StateManifest state, decode_state_manifest(payload));
      for (const StateValue& value : state.values) references.push_back({value.kind, value.id});
      break;
    }
    case RecordKind::delta: {
      CAIRN_TRY(const DeltaManifest delta, decode_delta(payload));
      references.push_back({RecordKind::tensor, delta.kind == DeltaKind::whole ? delta.target : delta.base});
      for (const DeltaStream& stream : delta.streams) references.push_back({RecordKind::blob, stream.blob});
      break;
    }
    case RecordKind::snapshot: {
      CAIRN_TRY(const SnapshotManifest snapshot, decode_snapshot(payload));
      references.push_back({RecordKind::tree, snapshot.tree});
      break;
    }
    case RecordKind::block:
    case RecordKind::ref:
    case RecordKind::roots:
    case RecordKind::entries:
    case RecordKind::reclaimed: break;
  }
  return references;
}

Result<std::vector<Reference>> bases_in(Bytes payload, const Digest& block) {
  CAIRN_TRY(const DeltaHead head, decode_delta_head(payload, block));
  std::vector<Reference> references;
  for (const Digest& base : head.bases) references.push_back({RecordKind::block, base});
  return references;
}

}  // namespace cairn
