// SPDX-License-Identifier: Apache-2.0
//
// What becomes of the deltas that add() has made, when optimize() finds them.
#pragma once

#include "api/src/base_choice.h"
#include "api/src/delta_graph.h"

namespace cairn {

// A delta from an older version of the same name is turned round. One from another name's block stays, in the
// newest version too, and so does that block, whole (docs/decisions/0010-blocks-from-others.md).
class DeltaDirection {
 public:
  enum class Fate {
    as_it_is,
    whole,   // it is a delta, and is not to be one
    turned,  // the same, unless it is from something newer
  };

  Status find(StoreImpl& store, const BaseChoice& bases, const DeltaGraph& graph);
  Fate fate(const Digest& block, const BaseChoice& bases, const DeltaGraph& graph) const;
  // What is in a newest version relies on it.
  bool is_kept(const Digest& block) const { return kept_.contains(block); }
  const DigestSet& kept() const { return kept_; }
  void keep(const Digest& block) { kept_.insert(block); }

 private:
  DigestSet whole_;  // in a newest version, and to become whole
  DigestSet kept_;
};

}  // namespace cairn
