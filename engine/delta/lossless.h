// SPDX-License-Identifier: Apache-2.0
//
// The lossless kinds of delta: one piece of a tensor as its difference from the same piece of another, and back.
#pragma once

#include "cairn/delta_kind.h"
#include "engine/codec/block_codec.h"
#include "engine/delta/element_type.h"
#include "engine/delta/streams.h"

namespace cairn {

// How many streams a kind has, and how many bytes of a stream an element takes: 0 when that varies.
std::size_t lossless_streams(DeltaKind kind, ElementType type) noexcept;
unsigned lossless_stream_width(DeltaKind kind, ElementType type, std::size_t stream) noexcept;

// Keep one per thread.
class LosslessEncoder {
 public:
  // Appends to `out`. Both pieces hold the same number of whole elements.
  void encode(DeltaKind kind, DType dtype, Bytes target, Bytes base, DeltaStreams& out);

 private:
  BlockEncoder blocks_;
};

// Keep one per thread.
class LosslessDecoder {
 public:
  // `into` is as long as `base`. On failure it holds rubbish.
  Status decode(DeltaKind kind, DType dtype, DeltaInput& input, Bytes base, MutableBytes into);

 private:
  Status decode_ulp(DeltaInput& input, Bytes base, MutableBytes into);

  BlockDecoder blocks_;
  std::vector<std::byte> first_, second_;
};

}  // namespace cairn
