// SPDX-License-Identifier: Apache-2.0
#include "engine/delta/tensor_delta.h"

#include <utility>

namespace cairn {

TensorDeltaEncoder::TensorDeltaEncoder(DeltaPlan plan, std::optional<double> max_error) : plan_(std::move(plan)) {
  if (!is_lossless(plan_.kind)) lossy_.emplace(plan_, max_error);
}

void TensorDeltaEncoder::begin(DeltaStreams& out) {
  if (!lossy_) return;
  lossy_->begin(out);
  plan_.step = lossy_->step();
}

void TensorDeltaEncoder::encode(std::uint64_t offset, Bytes target, Bytes base, DeltaStreams& out) {
  if (lossy_) {
    lossy_->encode(first(offset), target, base, out);
  } else {
    lossless_.encode(plan_.kind, plan_.dtype, target, base, out);
  }
}

double TensorDeltaEncoder::largest_error() const noexcept {
  return lossy_ ? to_double_up(plan_.dtype, lossy_->largest_error()) : 0;
}

TensorDeltaDecoder::TensorDeltaDecoder(DeltaPlan plan) : plan_(std::move(plan)) {
  if (!is_lossless(plan_.kind)) lossy_.emplace(plan_);
}

Status TensorDeltaDecoder::check_streams(const DeltaInput& input) const {
  if (input.streams() != stream_count(plan_)) return damaged_delta("it has another number of streams");
  for (std::size_t stream = 0; stream < input.streams(); ++stream) {
    std::uint64_t bytes = 0;
    if (fixed_stream_bytes(plan_, stream, bytes) && bytes != input.left(stream)) {
      return damaged_delta("a stream has another size");
    }
  }
  return {};
}

Status TensorDeltaDecoder::decode(std::uint64_t offset, DeltaInput& input, Bytes base, MutableBytes into) {
  if (!lossy_) return lossless_.decode(plan_.kind, plan_.dtype, input, base, into);
  return lossy_->decode(offset / element_type(plan_.dtype).width, input, base, into);
}

Status TensorDeltaDecoder::finish(const DeltaInput& input) {
  for (std::size_t stream = 0; stream < input.streams(); ++stream) {
    if (input.left(stream) != 0) return damaged_delta("a stream goes on behind the last piece");
  }
  return {};
}

}  // namespace cairn
