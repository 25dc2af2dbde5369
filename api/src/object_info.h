// SPDX-License-Identifier: Apache-2.0
//
// Describes what the store holds, in the words of the public headers.
#pragma once

#include "api/src/store_impl.h"
#include "engine/read/file_pieces.h"

namespace cairn {

// What a name or an object promises and the store has not was lost.
inline Error lost(Error error) {
  if (error.code == ErrorCode::not_found) error.code = ErrorCode::corruption;
  return error;
}

Result<EntryInfo> describe_entry(StoreImpl& store, const TreeEntry& entry);

// The tensors of a model file at `path`, with how each is stored.
Result<std::vector<TensorInfo>> describe_model_tensors(StoreImpl& store, const std::string& path, const Digest& model);
Result<TensorInfo> describe_tensor(StoreImpl& store, const Digest& id);
// The tensors of a state at `path`, and its opaque parts as entries below it.
Result<std::vector<TensorInfo>> describe_state_tensors(StoreImpl& store, const std::string& path,
                                                       const StateManifest& state);
std::vector<EntryInfo> describe_state_parts(StoreImpl& store, const TreeEntry& entry, const StateManifest& state);

// Counts how the blocks of `pieces` are stored; each block once.
Status count_storage(StoreImpl& store, const FilePieces& pieces, std::map<std::string, std::uint64_t>& codecs,
                     std::uint64_t& stored_bytes);

// The pieces of whatever byte string `id` is: a tensor, a model file, a blob or a block.
// not_found when it is none of them.
Result<FilePieces> pieces_of_any(StoreImpl& store, const Digest& id);

// The file at `path` of a tree; not_found when there is none.
Result<TreeEntry> find_file(const TreeManifest& tree, const std::string& path);
Result<FilePieces> pieces_of_entry(StoreImpl& store, const TreeEntry& entry);

}  // namespace cairn
