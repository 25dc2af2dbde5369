// SPDX-License-Identifier: Apache-2.0
#include "api/src/keyframes.h"

#include <vector>

namespace cairn {
namespace {

// What relies on one keyframe. A difference grows with the distance: beyond this, another keyframe costs less.
constexpr std::size_t kGroup = 8;

class Plan {
 public:
  Plan(const DigestMap& newer, const DigestSet& newest, const DigestSet& kept, const DeltaGraph& graph)
      : newer_(newer), newest_(newest), kept_(kept), graph_(graph) {}

  // From a block to its newest successor, or to where an earlier walk came by.
  void walk(const Digest& oldest) {
    std::vector<Digest> group;
    const Digest* block = &oldest;
    for (const Digest* next = after(*block); next != nullptr; block = next, next = after(*block)) {
      if (!seen_.insert(*block).second) return rely_in_turn(group, keyframe_of(*block));
      if (is_keyframe(*block, *next, group.size())) {
        for (const Digest& one : group) plan_.of.emplace(one, *block);
        group.clear();
      } else {
        group.push_back(*block);
      }
    }
    rely_in_turn(group, *block);
  }

  Keyframes take() { return std::move(plan_); }

 private:
  const Digest* after(const Digest& block) const {
    const auto next = newest_.contains(block) ? newer_.end() : newer_.find(block);
    return next == newer_.end() ? nullptr : &next->second;
  }

  const Digest& keyframe_of(const Digest& block) const {
    const auto keyframe = plan_.of.find(block);
    return keyframe == plan_.of.end() ? block : keyframe->second;
  }

  bool is_keyframe(const Digest& block, const Digest& next, std::size_t before) const {
    if (graph_.bases(block) != nullptr) return false;
    if (kept_.contains(block) || before >= kGroup) return true;
    // It was chosen earlier when what came after it relies on others.
    const bool chosen = graph_.dependants(block) > 0 && graph_.bases(next) != nullptr;
    return chosen || graph_.all_dependants(block) >= DeltaGraph::kDepthMax;
  }

  void rely_in_turn(const std::vector<Digest>& group, const Digest& last) {
    for (std::size_t i = 0; i < group.size(); ++i) {
      plan_.in_turn.emplace(group[i], i + 1 < group.size() ? group[i + 1] : last);
    }
  }

  const DigestMap& newer_;
  const DigestSet& newest_;
  const DigestSet& kept_;
  const DeltaGraph& graph_;
  DigestSet seen_;
  Keyframes plan_;
};

}  // namespace

Keyframes choose_keyframes(const DigestMap& newer, const DigestSet& newest, const DigestSet& kept,
                           const DeltaGraph& graph) {
  DigestSet later;  // than another
  for (const auto& [block, next] : newer) {
    if (!newest.contains(block)) later.insert(next);
  }
  Plan plan(newer, newest, kept, graph);
  for (const auto& [block, next] : newer) {
    if (!later.contains(block)) plan.walk(block);
  }
  // What took its own place again has no beginning.
  for (const auto& [block, next] : newer) plan.walk(block);
  return plan.take();
}

}  // namespace cairn
