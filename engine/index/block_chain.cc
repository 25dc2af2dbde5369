// SPDX-License-Identifier: Apache-2.0
#include "engine/index/block_chain.h"

namespace cairn {

Result<bool> is_sound(Index& index, ObjectParts& parts, const Digest& digest, const RecordLocation& at,
                      const Digest* without) {
  if (at.quarantined || (without != nullptr && digest == *without)) return false;
  std::vector<std::pair<Digest, RecordLocation>> pending{{digest, at}};
  for (std::size_t bases = 0; !pending.empty();) {
    const auto [block, place] = pending.back();
    pending.pop_back();
    if (!has_parts(place)) continue;
    CAIRN_TRY(const auto found, parts.parts_of(block, place));
    if (!found) return false;
    for (const Reference& base : *found) {
      if (++bases > kChainBlocksMax || (without != nullptr && base.id == *without)) return false;
      CAIRN_TRY(const auto base_at, index.find_block(base.id));
      if (!base_at || base_at->quarantined) return false;
      pending.emplace_back(base.id, *base_at);
    }
  }
  return true;
}

}  // namespace cairn
