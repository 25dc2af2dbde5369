// SPDX-License-Identifier: Apache-2.0
//
// Which blocks rely on which, of all delta blocks in a store: keeps chains short, and free of cycles.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "api/src/store_impl.h"

namespace cairn {

// Owned by one thread. add() makes deltas as well, while this one looks elsewhere: what has become one since load()
// is to be added before what may_rely() says counts, with the log's turn. Of edges that are gone it may know.
class DeltaGraph {
 public:
  // From a block to the last that its content is decoded from, whoever relies on the block included.
  static constexpr std::size_t kDepthMax = 4;

  // Reads the heads of all delta blocks. `check_stop` is asked before each.
  Status load(StoreImpl& store, const std::function<Status()>& check_stop);

  // Whether `block` may become the difference from all of `bases`, instead of what it is.
  bool may_rely(const Digest& block, const std::vector<Digest>& bases) const;
  bool relies(const Digest& block, const Digest& base) const;
  // How many rely on it, directly or not; counting ends at kDepthMax.
  std::size_t all_dependants(const Digest& block) const;
  // The longest chain that a block has: 0 when it is whole, and with `bases` as its own at least 1.
  std::size_t depth(const Digest& block) const { return longest(bases_, block, kDepthMax); }
  std::size_t depth_with(const std::vector<Digest>& bases) const;
  void add(const Digest& block, const Digest& base);
  void remove(const Digest& block, const Digest& base);
  // `block` is what was written: it relies on these and nothing else.
  void set(const Digest& block, const std::vector<Digest>& bases);
  // Null when it is whole.
  const std::vector<Digest>* bases(const Digest& block) const;
  // How many rely on it.
  std::size_t dependants(const Digest& base) const;
  // Of those that load() found, the live ones.
  std::size_t live_dependants(const Digest& base) const;

 private:
  using Edges = std::unordered_map<Digest, std::vector<Digest>>;
  // The length of the longest chain from `block` along `edges`; no more than `limit`.
  static std::size_t longest(const Edges& edges, const Digest& block, std::size_t limit);
  bool reaches(const Digest& from, const Digest& to, std::size_t limit) const;

  // How many blocks are read to decode one, each as often as it is relied on: `of` them for `block`.
  struct Supposed {
    const Digest& block;
    std::size_t of;
  };
  std::size_t reads(const Digest& block, const Supposed* supposed, std::size_t limit) const;
  bool dependants_fit(const Digest& block, const Supposed& supposed, std::size_t limit) const;

  Edges bases_, dependants_;
  std::unordered_map<Digest, std::size_t> live_dependants_;
};

}  // namespace cairn
