// SPDX-License-Identifier: Apache-2.0
//
// A part of a tensor, by the ranges of its dimensions.
#pragma once

#include <string>
#include <vector>

#include "api/src/store_impl.h"
#include "engine/read/file_pieces.h"

namespace cairn {

// Elements begin[d] to end[d] (exclusive) of each dimension, row-major, contiguous, verified.
// Reads each block that holds one of them, once. `what` names the tensor in errors.
Result<std::vector<std::byte>> read_slice(StoreImpl& store, const std::string& what, const TensorManifest& tensor,
                                          const FilePieces& whole, const std::vector<std::uint64_t>& begin,
                                          const std::vector<std::uint64_t>& end);

}  // namespace cairn
