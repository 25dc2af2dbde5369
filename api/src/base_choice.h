// SPDX-License-Identifier: Apache-2.0
//
// What each block of a tensor may become the difference from: the block at the same place of the tensor of the
// same name, dtype and shape in a newer version of the same name (keyframes.h), or what predicts it (adam_choice.h). In
// the newest version of a name, that of a similar tensor in another name's newest (similar_tensors.h).
#pragma once

#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "api/src/adam_choice.h"
#include "api/src/keyframes.h"
#include "api/src/similar_tensors.h"
#include "api/src/store_impl.h"

namespace cairn {

// Of the blocks in the versions of some names.
struct VersionOrder {
  struct Last {
    std::size_t name = 0;  // its number, from 1
    std::uint64_t version = 0;
  };
  DigestMap newer;                        // what took a block's place
  std::unordered_map<Digest, Last> last;  // the last version that has it
  std::size_t names = 0;
};

// Older against newer: what is read most is the newest, which stays whole, and what goes first
// is the oldest, which nothing relies on. Of names that are similar, those that came later against the first
// (docs/decisions/0010-blocks-from-others.md).
class BaseChoice {
 public:
  // For all versions of `name`, or, when it is empty, of every name. `check_stop` is asked at times.
  Status find(StoreImpl& store, const std::string& name, const std::function<Status()>& check_stop);
  // And which of them stay whole for others, after find(); those in `kept` do.
  void settle(const DeltaGraph& graph, const DigestSet& kept);
  // Each is one base or several that go together. None when it belongs to no tensor, has been the same ever
  // since, or is in the newest version of a name and resembles none that came before it.
  std::vector<std::vector<Digest>> candidates(const Digest& block) const;
  // A block of a tensor in the newest version of any name.
  bool is_in_newest(const Digest& block) const { return newest_.contains(block); }
  const DigestSet& newest() const { return newest_; }
  // Whether `block` is in a later version than the last that has `other`, of a name that has both.
  bool is_older(const Digest& other, const Digest& block) const;

 private:
  Status find_similar_ones(StoreImpl& store, const std::vector<SketchedTensor>& newest, const std::vector<bool>& wanted,
                           const std::function<Status()>& check_stop);

  VersionOrder order_;
  DigestMap similar_;
  Keyframes keyframes_;
  PredictingBases predicting_;
  DigestSet newest_;
};

}  // namespace cairn
