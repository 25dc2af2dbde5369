// SPDX-License-Identifier: Apache-2.0
#include "api/src/delta_direction.h"

#include <algorithm>
#include <unordered_map>

namespace cairn {

Status DeltaDirection::find(StoreImpl& store, const BaseChoice& bases, const DeltaGraph& graph) {
  std::unordered_map<Digest, std::size_t> relying;  // of what is in newest versions
  for (const Digest& block : bases.newest()) {
    const std::vector<Digest>* const from = graph.bases(block);
    if (from == nullptr) continue;
    for (const Digest& base : *from) ++relying[base];
  }
  for (const Digest& block : bases.newest()) {
    const std::vector<Digest>* const from = graph.bases(block);
    if (from == nullptr) continue;
    bool stays = true;
    for (const Digest& base : *from) {
      if (bases.is_in_newest(base)) continue;
      CAIRN_TRY(const std::uint64_t references, store.index().references(RecordKind::block, base));
      // There for the sake of this one alone, as a newer version that was removed: then the one may be whole itself.
      const bool alone = references <= graph.live_dependants(base) && relying[base] == 1;
      stays = stays && !alone && !bases.is_older(base, block);
    }
    if (stays) {
      kept_.insert(from->begin(), from->end());
    } else {
      whole_.insert(block);
    }
  }
  return {};
}

DeltaDirection::Fate DeltaDirection::fate(const Digest& block, const BaseChoice& bases, const DeltaGraph& graph) const {
  const std::vector<Digest>* const from = graph.bases(block);
  if (from == nullptr) return Fate::as_it_is;
  if (kept_.contains(block) || whole_.contains(block)) return Fate::whole;
  if (bases.is_in_newest(block)) return Fate::as_it_is;
  const auto is_older = [&](const Digest& base) {
    return !kept_.contains(base) && !bases.is_in_newest(base) && bases.is_older(base, block);
  };
  return std::ranges::any_of(*from, is_older) ? Fate::turned : Fate::as_it_is;
}

}  // namespace cairn
