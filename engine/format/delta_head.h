// SPDX-License-Identifier: Apache-2.0
//
// What the payload of a delta block begins with: which blocks it is the difference from. It has
// a checksum of its own, so that its first bytes alone say so. Layout: docs/format/delta.md.
#pragma once

#include <vector>

#include "cairn/digest.h"
#include "cairn/result.h"
#include "engine/base/bytes.h"

namespace cairn {

// In the record of a block that is one (CodecId::delta).
inline constexpr std::uint8_t kDeltaCodec = 5;

struct DeltaHead {
  static constexpr std::size_t kBasesMax = 4;
  static constexpr std::size_t kBytesMax = 12 + kBasesMax * Digest::kSize;

  std::vector<Digest> bases;  // 1 to kBasesMax, none of them the block itself

  std::size_t encoded_bytes() const noexcept { return 12 + bases.size() * Digest::kSize; }
  friend bool operator==(const DeltaHead&, const DeltaHead&) = default;
};

// `block` is the one whose payload it begins: the head of another does not pass for its own.
std::vector<std::byte> encode(const DeltaHead& head, const Digest& block);
// The rest of the payload may be cut off, or there.
Result<DeltaHead> decode_delta_head(Bytes payload, const Digest& block);

}  // namespace cairn
