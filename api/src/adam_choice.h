// SPDX-License-Identifier: Apache-2.0
//
// Finds the weights and moments of the Adam optimizer among the tensors of two versions, by their names:
// what a block of the older version can be predicted from (engine/codec/predict.h).
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "cairn/digest.h"
#include "cairn/dtype.h"

namespace cairn {

struct VersionTensor {
  std::string name;
  DType dtype = DType::opaque;
  std::vector<std::uint64_t> shape;
  std::vector<Digest> blocks;
};

// Bases of a block, in the order in which they are needed.
struct PredictedFrom {
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::vector<Digest> bases;
  std::size_t of_its_version = kNone;  // which of them is in the block's own version, and not in the newer one
};
using PredictingBases = std::unordered_map<Digest, PredictedFrom>;

// For tensors in the order in which they are stored. Moments are called as PyTorch calls them
// (exp_avg and exp_avg_sq), as Optax does (mu and nu) or as the paper does (m and v), before or behind what is theirs
// alone. Their weight is the tensor that is called by that rest, or the one that comes as late among all others of that
// shape as they do among moments. A wrong guess costs a look: what does not follow is not predicted.
void add_adam_bases(const std::vector<VersionTensor>& older, const std::vector<VersionTensor>& newer,
                    PredictingBases& bases);

}  // namespace cairn
