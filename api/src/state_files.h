// SPDX-License-Identifier: Apache-2.0
//
// A state as files: a .safetensors file of its tensors, and one file for each opaque part.
#pragma once

#include <string>
#include <vector>

#include "api/src/store_impl.h"
#include "engine/read/file_pieces.h"

namespace cairn {

// Where they are, as if the state's entry were a folder.
std::string state_tensors_path(const TreeEntry& entry);
std::string state_part_path(const TreeEntry& entry, const std::string& name);

// How one of them is made: the head, and behind it the pieces.
struct StateFile {
  std::vector<std::byte> head;
  FilePieces pieces;  // offsets count from the end of the head
  std::uint64_t bytes() const { return head.size() + pieces.total_bytes; }
};

// unsupported, naming the tensor, when a name or dtype cannot stand in such a file.
Result<StateFile> state_tensors_file(StoreImpl& store, const StateManifest& state);
// unsupported when the part's name cannot be the path of a file.
Result<StateFile> state_part_file(StoreImpl& store, const TreeEntry& entry, const StateValue& part);

// The file of that path among those of a state; not_found when there is none.
Result<StateFile> find_state_file(StoreImpl& store, const TreeEntry& entry, const std::string& path);

}  // namespace cairn
