// SPDX-License-Identifier: Apache-2.0
//
// Whether a block becomes the difference from another, or is encoded by itself.
#pragma once

#include "engine/codec/block_codec.h"

namespace cairn {

// Less than a sixteenth is not worth what another encoding costs: a write, or reading a base.
constexpr bool is_clearly_smaller(std::uint64_t now, std::uint64_t before) {
  return now + before / 16 <= before && now < before;
}

// What was encoded is to be all that is left of the content: whether it decodes to it.
bool decodes_to(Bytes content, CodecId codec, Bytes payload, std::span<const Bytes> bases);

// As BlockEncoder::encode() does, or CodecId::delta, where that is clearly smaller and decodes to the content. A
// sample decides whether `base`, which has the content's size, is worth a closer look.
Encoded encode_beside(BlockEncoder& encoder, Bytes content, DType dtype, Bytes base, const EncodeOptions& options);

}  // namespace cairn
