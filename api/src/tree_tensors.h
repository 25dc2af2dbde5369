// SPDX-License-Identifier: Apache-2.0
//
// The tensors of one version: of model files and of states.
#pragma once

#include <functional>
#include <string>

#include "engine/read/block_reader.h"

namespace cairn {

struct TreeTensor {
  std::string path, name;  // of the file or state, and in it
  std::size_t number = 0;  // among those of equal names in one file
  Digest id;
};

// In their order. A model or state that is damaged or missing is passed over: check() names it.
Status for_each_tensor(BlockReader& blocks, const TreeManifest& tree, const std::function<Status(TreeTensor)>& visit);

// What is passed over is damage; any other error is one here too.
Status passed_over(const Error& error);

}  // namespace cairn
