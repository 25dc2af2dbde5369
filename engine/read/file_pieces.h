// SPDX-License-Identifier: Apache-2.0
//
// What a byte string is made of, as blocks in the order of its bytes: the plan by which a
// blob or an archived model file is read.
#pragma once

#include <functional>
#include <vector>

#include "engine/read/block_reader.h"

namespace cairn {

// Bytes [skip, skip + length) of a block, at `offset` of the whole.
struct Piece {
  BlockRef block;
  std::uint32_t skip = 0;
  std::uint32_t length = 0;
  std::uint64_t offset = 0;
  // Skeleton pieces are short and many to a block; readers keep the last block for them.
  bool skeleton = false;
};

struct FilePieces {
  std::uint64_t total_bytes = 0;
  std::vector<Piece> pieces;  // adjacent, from 0 to total_bytes
};

// A blob by its id: one block, or what its manifest lists.
Result<FilePieces> pieces_of_blob(BlockReader& reader, const Digest& id, std::uint64_t bytes);
// A value of a state: a blob, or a tensor's bytes.
Result<FilePieces> pieces_of_value(BlockReader& reader, const StateValue& value);
// A model file by its id: its tensors' blocks, and the skeleton in the gaps.
Result<FilePieces> pieces_of_model(BlockReader& reader, const Digest& id);
// The same of manifests that the store does not have (yet); `id` is for errors.
FilePieces pieces_of(const BlobManifest& manifest);
Result<FilePieces> pieces_of_model(BlockReader& reader, const Digest& id, const ModelManifest& model);
// And of parts that are looked up elsewhere than in the store.
struct PartsOfModel {
  std::function<Result<TensorManifest>(const Digest& id)> tensor;
  std::function<Result<FilePieces>(const Digest& id, std::uint64_t bytes)> blob;
};
Result<FilePieces> pieces_of_model(const PartsOfModel& parts, DigestKind kind, const Digest& id,
                                   const ModelManifest& model);

// What is left of `file` behind its first `bytes`.
FilePieces pieces_behind(const FilePieces& file, std::uint64_t bytes);

}  // namespace cairn
