// SPDX-License-Identifier: Apache-2.0
//
// The lossy kinds of delta: steps from the base, or nothing, and a list of elements that these do not lead close
// enough to. Streams: steps (not for sparse), places, values, and for axis_scaled the sizes of the steps.
#pragma once

#include <optional>
#include <vector>

#include "engine/delta/delta_plan.h"
#include "engine/delta/steps.h"
#include "engine/delta/streams.h"

namespace cairn {

// Whose elements take steps of which size: those of one slice of `plan.axis`, or all.
class StepSizes {
 public:
  explicit StepSizes(const DeltaPlan& plan);
  std::size_t slices() const noexcept { return sizes_.size(); }
  std::vector<Size>& sizes() noexcept { return sizes_; }  // by slice
  // The slice that the element belongs to.
  std::size_t slice_of(std::uint64_t element) const noexcept {
    return inner_ == 0 ? 0 : element / inner_ % sizes_.size();
  }
  // Of `count` elements from `first` on.
  const Size* of(std::uint64_t first, std::size_t count);

 private:
  std::uint64_t inner_ = 0;  // elements of a slice that lie side by side; 0: there is one slice
  std::vector<Size> sizes_, each_;
};

// Owned by one thread.
class LossyEncoder {
 public:
  // Without `max_error` it follows from how far the elements are apart. `plan` outlives this.
  LossyEncoder(const DeltaPlan& plan, std::optional<double> max_error);

  // Called for all pieces before the first is encoded, if this is true.
  bool looks_first() const noexcept { return looks_; }
  void look(std::uint64_t first, Bytes target, Bytes base);
  // After that, once. Appends what stands before all pieces.
  void begin(DeltaStreams& out);
  // Appends to `out`. `first` is the first element's number.
  void encode(std::uint64_t first, Bytes target, Bytes base, DeltaStreams& out);

  Size step() const noexcept { return step_; }  // 0 for sparse and axis_scaled
  Size largest_error() const noexcept { return largest_; }
  std::uint64_t exceptions() const noexcept { return exceptions_; }

 private:
  int most() const noexcept { return plan_.kind == DeltaKind::int16 ? 32767 : 127; }
  void append_exceptions(Bytes target, const Size* limit, DeltaStreams& out);

  const DeltaPlan& plan_;
  const std::optional<Size> max_error_;
  StepSizes sizes_;
  bool looks_;
  Size step_ = 0, largest_ = 0;
  std::uint64_t exceptions_ = 0;
  std::vector<Size> errors_;
  std::vector<std::int16_t> steps_;
  std::vector<std::byte> reconstructed_;
};

// Owned by one thread.
class LossyDecoder {
 public:
  explicit LossyDecoder(const DeltaPlan& plan) : plan_(plan), sizes_(plan) {}
  // Reads what stands before all pieces. Once, first of all.
  Status begin(DeltaInput& input);
  Status decode(std::uint64_t first, DeltaInput& input, Bytes base, MutableBytes into);

 private:
  Status read_steps(DeltaInput& input, std::size_t count);
  Status read_exceptions(DeltaInput& input, std::size_t count, MutableBytes into);

  const DeltaPlan& plan_;
  StepSizes sizes_;
  std::vector<std::int16_t> steps_;
  std::vector<std::byte> bytes_;
};

}  // namespace cairn
