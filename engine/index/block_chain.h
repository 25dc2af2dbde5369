// SPDX-License-Identifier: Apache-2.0
//
// From a delta block to the blocks that its content is decoded from.
#pragma once

#include "engine/index/index.h"

namespace cairn {

// All bases that a block may have, those of its bases too: more are damage, or a cycle.
inline constexpr std::size_t kChainBlocksMax = 16;

// Whether everything that the block's content is decoded from is there and, as far as is known,
// good: what has one of its own and may rely on it.
// `without`: and that is none of it.
Result<bool> is_sound(Index& index, ObjectParts& parts, const Digest& digest, const RecordLocation& at,
                      const Digest* without = nullptr);

// Whether a block that comes in may be kept as the difference from what is at `at`: it is whole, so that
// chains do not grow, and live, so that it is not about to go.
inline bool is_fit_as_base(const std::optional<RecordLocation>& at, std::uint32_t bytes) {
  return at && !has_parts(*at) && at->references > 0 && !at->quarantined && at->logical_bytes == bytes;
}

}  // namespace cairn
