// SPDX-License-Identifier: Apache-2.0
#include "api/src/delta_graph.h"

#include <algorithm>

#include "engine/index/block_chain.h"
#include "engine/reclaim/findings.h"

namespace cairn {

Status DeltaGraph::load(StoreImpl& store, const std::function<Status()>& check_stop) {
  std::vector<std::pair<Digest, RecordLocation>> deltas;
  const auto collect = [&](const Digest& digest, const RecordLocation& at) -> Status {
    if (has_parts(at)) deltas.emplace_back(digest, at);
    return {};
  };
  CAIRN_CHECK(store.index().for_each_block(collect));
  // In log order: heads that are close are read together.
  std::ranges::sort(deltas, {}, [](const auto& d) { return std::pair(d.second.segment, d.second.offset); });
  for (const auto& [digest, at] : deltas) {
    CAIRN_CHECK(check_stop());
    const auto bases = store.blocks().bases_of(digest, at);
    if (!bases.ok() && !is_damage(bases.error())) return bases.error();
    if (!bases.ok()) continue;
    for (const Reference& base : *bases) {
      add(digest, base.id);
      if (at.references > 0) ++live_dependants_[base.id];
    }
  }
  return {};
}

std::size_t DeltaGraph::longest(const Edges& edges, const Digest& block, std::size_t limit) {
  std::size_t length = 0;
  const auto next = edges.find(block);
  if (next == edges.end() || limit == 0) return 0;
  for (const Digest& to : next->second) length = std::max(length, 1 + longest(edges, to, limit - 1));
  return length;
}

bool DeltaGraph::reaches(const Digest& from, const Digest& to, std::size_t limit) const {
  if (from == to) return true;
  const auto next = bases_.find(from);
  if (next == bases_.end() || limit == 0) return false;
  return std::ranges::any_of(next->second, [&](const Digest& base) { return reaches(base, to, limit - 1); });
}

std::size_t DeltaGraph::reads(const Digest& block, const Supposed* supposed, std::size_t limit) const {
  if (supposed != nullptr && block == supposed->block) return supposed->of;
  const auto next = bases_.find(block);
  if (next == bases_.end() || limit == 0) return 0;
  std::size_t sum = 0;
  for (const Digest& base : next->second) sum += 1 + reads(base, supposed, limit - 1);
  return sum;
}

bool DeltaGraph::dependants_fit(const Digest& block, const Supposed& supposed, std::size_t limit) const {
  const auto next = dependants_.find(block);
  if (next == dependants_.end() || limit == 0) return true;
  return std::ranges::all_of(next->second, [&](const Digest& dependant) {
    return reads(dependant, &supposed, kDepthMax) <= kChainBlocksMax && dependants_fit(dependant, supposed, limit - 1);
  });
}

bool DeltaGraph::may_rely(const Digest& block, const std::vector<Digest>& bases) const {
  const std::size_t above = longest(dependants_, block, kDepthMax);
  std::size_t sum = 0;
  for (const Digest& base : bases) {
    const std::size_t below = longest(bases_, base, kDepthMax);
    if (above + 1 + below > kDepthMax || reaches(base, block, kDepthMax)) return false;
    sum += 1 + reads(base, nullptr, kDepthMax);
  }
  return sum <= kChainBlocksMax && dependants_fit(block, {block, sum}, kDepthMax);
}

bool DeltaGraph::relies(const Digest& block, const Digest& base) const {
  const auto bases = bases_.find(block);
  return bases != bases_.end() && std::ranges::find(bases->second, base) != bases->second.end();
}

std::size_t DeltaGraph::all_dependants(const Digest& block) const {
  std::size_t count = 0;
  const auto direct = dependants_.find(block);
  if (direct == dependants_.end()) return 0;
  for (const Digest& dependant : direct->second) {
    count += 1 + (count + 1 < kDepthMax ? all_dependants(dependant) : 0);
    if (count >= kDepthMax) return kDepthMax;
  }
  return count;
}

std::size_t DeltaGraph::depth_with(const std::vector<Digest>& bases) const {
  std::size_t depth = 0;
  for (const Digest& base : bases) depth = std::max(depth, 1 + this->depth(base));
  return depth;
}

void DeltaGraph::add(const Digest& block, const Digest& base) {
  bases_[block].push_back(base);
  dependants_[base].push_back(block);
}

void DeltaGraph::remove(const Digest& block, const Digest& base) {
  const auto drop = [](Edges& edges, const Digest& from, const Digest& to) {
    const auto found = edges.find(from);
    std::erase(found->second, to);
    if (found->second.empty()) edges.erase(found);
  };
  drop(bases_, block, base);
  drop(dependants_, base, block);
}

void DeltaGraph::set(const Digest& block, const std::vector<Digest>& bases) {
  const auto known = bases_.find(block);
  const std::vector<Digest> before = known == bases_.end() ? std::vector<Digest>() : known->second;
  for (const Digest& base : before) {
    if (relies(block, base)) remove(block, base);
  }
  for (const Digest& base : bases) add(block, base);
}

const std::vector<Digest>* DeltaGraph::bases(const Digest& block) const {
  const auto found = bases_.find(block);
  return found == bases_.end() ? nullptr : &found->second;
}

std::size_t DeltaGraph::live_dependants(const Digest& base) const {
  const auto found = live_dependants_.find(base);
  return found == live_dependants_.end() ? 0 : found->second;
}

std::size_t DeltaGraph::dependants(const Digest& base) const {
  const auto found = dependants_.find(base);
  return found == dependants_.end() ? 0 : found->second.size();
}

}  // namespace cairn
