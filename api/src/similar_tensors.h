// SPDX-License-Identifier: Apache-2.0
//
// Which tensors resemble which, by sketches of one block of each.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "api/src/store_impl.h"

namespace cairn {

struct SketchedTensor {
  DType dtype = DType::opaque;
  std::vector<std::uint64_t> shape;
  std::vector<Digest> blocks;
};

struct SimilarMatch {
  std::size_t leader = 0;  // its place among the tensors
  double distance = 0;     // engine/codec/sketch.h
};

// For each of the tensors, which of those before it to compare it with: leaders and their followers (Hartigan,
// "Clustering Algorithms", 1975). Each tensor in turn follows the leader that is nearest to it, or becomes one itself,
// when none of its dtype and shape is similar. Empty for leaders, and for what is not looked at: tensors of few bytes,
// and those whose block is missing or damaged. Reads one block of every tensor whose dtype and shape another has too,
// in the pool of `store`; `check_stop` is asked before each.
Result<std::vector<std::optional<SimilarMatch>>> find_similar(StoreImpl& store,
                                                              const std::vector<SketchedTensor>& tensors,
                                                              const std::function<Status()>& check_stop);

}  // namespace cairn
