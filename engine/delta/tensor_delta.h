// SPDX-License-Identifier: Apache-2.0
//
// The difference between two tensors of the same type and shape, piece by piece, in whatever kind: what is the payload
// of a delta object (docs/format/delta-objects.md).
#pragma once

#include <optional>

#include "engine/delta/delta_plan.h"
#include "engine/delta/lossless.h"
#include "engine/delta/lossy.h"

namespace cairn {

// Owned by one thread. Pieces are handed over in order, each once for look() and once for encode(); `offset` is that of
// their first byte. All but the last have kDeltaPieceBytes.
class TensorDeltaEncoder {
 public:
  // check_plan() has passed it. Lossy kinds keep every element within `max_error`, or, without one, within what
  // largest_error() says in the end. For sparse there is one: the threshold.
  TensorDeltaEncoder(DeltaPlan plan, std::optional<double> max_error);
  TensorDeltaEncoder(const TensorDeltaEncoder&) = delete;
  TensorDeltaEncoder& operator=(const TensorDeltaEncoder&) = delete;

  // Called for all pieces before begin(), if this is true.
  bool looks_first() const noexcept { return lossy_ && lossy_->looks_first(); }
  void look(std::uint64_t offset, Bytes target, Bytes base) { lossy_->look(first(offset), target, base); }
  // `out` has stream_count() streams; all of these append to it.
  void begin(DeltaStreams& out);
  void encode(std::uint64_t offset, Bytes target, Bytes base, DeltaStreams& out);

  // With the size of a step, once it has begun.
  const DeltaPlan& plan() const noexcept { return plan_; }
  // Of what was encoded so far.
  double largest_error() const noexcept;
  std::uint64_t exceptions() const noexcept { return lossy_ ? lossy_->exceptions() : 0; }

 private:
  std::uint64_t first(std::uint64_t offset) const noexcept { return offset / element_type(plan_.dtype).width; }

  DeltaPlan plan_;
  LosslessEncoder lossless_;
  std::optional<LossyEncoder> lossy_;
};

// Owned by one thread.
class TensorDeltaDecoder {
 public:
  // check_plan() has passed it.
  explicit TensorDeltaDecoder(DeltaPlan plan);
  TensorDeltaDecoder(const TensorDeltaDecoder&) = delete;
  TensorDeltaDecoder& operator=(const TensorDeltaDecoder&) = delete;

  // Whether there are as many streams as there should be, and those whose sizes are known have them.
  Status check_streams(const DeltaInput& input) const;
  // First of all, once.
  Status begin(DeltaInput& input) { return lossy_ ? lossy_->begin(input) : Status(); }
  // The pieces in order; `into` is as long as `base`, and is no part of it. On failure it holds rubbish.
  Status decode(std::uint64_t offset, DeltaInput& input, Bytes base, MutableBytes into);
  // Last of all: nothing is left of any stream.
  static Status finish(const DeltaInput& input);

 private:
  DeltaPlan plan_;
  LosslessDecoder lossless_;
  std::optional<LossyDecoder> lossy_;
};

}  // namespace cairn
