// SPDX-License-Identifier: Apache-2.0
#include "engine/delta/lossy.h"

#include <algorithm>
#include <cstring>

#include "engine/base/endian.h"

namespace cairn {

StepSizes::StepSizes(const DeltaPlan& plan) : sizes_(1, plan.step) {
  if (plan.kind != DeltaKind::axis_scaled || plan.elements() == 0) return;
  sizes_.assign(plan.shape[plan.axis], 0);
  inner_ = 1;
  for (std::size_t d = plan.axis + 1; d < plan.shape.size(); ++d) inner_ *= plan.shape[d];
}

const Size* StepSizes::of(std::uint64_t first, std::size_t count) {
  each_.resize(count);
  if (inner_ == 0) {
    std::fill(each_.begin(), each_.end(), sizes_.front());
    return each_.data();
  }
  std::size_t slice = slice_of(first);
  std::uint64_t left = inner_ - first % inner_;
  for (std::size_t done = 0; done < count; left = inner_) {
    const std::size_t run = std::min<std::uint64_t>(left, count - done);
    std::fill_n(each_.begin() + static_cast<std::ptrdiff_t>(done), run, sizes_[slice]);
    done += run;
    slice = slice + 1 == sizes_.size() ? 0 : slice + 1;
  }
  return each_.data();
}

// --- Writing ---

LossyEncoder::LossyEncoder(const DeltaPlan& plan, std::optional<double> max_error)
    : plan_(plan),
      max_error_(max_error ? std::optional(size_within(plan.dtype, *max_error)) : std::nullopt),
      sizes_(plan),
      looks_(plan.kind == DeltaKind::axis_scaled || (plan.kind != DeltaKind::sparse && !max_error)) {}

void LossyEncoder::look(std::uint64_t first, Bytes target, Bytes base) {
  const std::size_t count = target.size() / element_type(plan_.dtype).width;
  errors_.resize(count);
  distances(plan_.dtype, target, base, errors_.data());
  std::vector<Size>& ranges = sizes_.sizes();
  for (std::size_t i = 0; i < count; ++i) {
    if (errors_[i] == kNoSize) continue;
    Size& range = ranges[sizes_.slice_of(first + i)];
    range = std::max(range, errors_[i]);
  }
}

// Ranges become sizes of steps.
void LossyEncoder::begin(DeltaStreams& out) {
  const bool axis = plan_.kind == DeltaKind::axis_scaled;
  for (Size& size : sizes_.sizes()) {
    if (plan_.kind == DeltaKind::sparse) break;
    const Size by_range = looks_ ? step_for(plan_.dtype, size, static_cast<unsigned>(most())) : kNoSize;
    size = max_error_ ? std::min(by_range, step_within(plan_.dtype, *max_error_)) : by_range;
    if (!axis) step_ = size;
  }
  if (!axis || plan_.elements() == 0) return;
  for (const Size size : sizes_.sizes()) {
    const std::size_t at = out[kSizeStream].size();
    out[kSizeStream].resize(at + sizeof(size));
    store_le(out[kSizeStream].data() + at, size);
  }
}

void LossyEncoder::encode(std::uint64_t first, Bytes target, Bytes base, DeltaStreams& out) {
  const std::size_t count = target.size() / element_type(plan_.dtype).width;
  errors_.resize(count);
  const Size* const sizes = sizes_.of(first, count);
  if (plan_.kind == DeltaKind::sparse) {
    distances(plan_.dtype, target, base, errors_.data());
    return append_exceptions(target, nullptr, out);
  }
  steps_.resize(count);
  count_steps(plan_.dtype, target, base, sizes, most(), steps_.data());
  reconstructed_.resize(target.size());
  take_steps(plan_.dtype, base, sizes, steps_.data(), reconstructed_);
  distances(plan_.dtype, target, reconstructed_, errors_.data());
  if (count == 0) return append_exceptions(target, nullptr, out);
  const std::size_t before = out[kStepStream].size();
  if (plan_.kind == DeltaKind::int16) {
    out[kStepStream].resize(before + 2 * count);
    std::memcpy(out[kStepStream].data() + before, steps_.data(), 2 * count);
  } else {
    out[kStepStream].resize(before + count);
    for (std::size_t i = 0; i < count; ++i) out[kStepStream][before + i] = static_cast<std::byte>(steps_[i]);
  }
  append_exceptions(target, max_error_ ? nullptr : sizes, out);
}

// Without limits of their own, all elements have the one that was asked for.
void LossyEncoder::append_exceptions(Bytes target, const Size* limit, DeltaStreams& out) {
  const unsigned width = element_type(plan_.dtype).width;
  std::vector<std::byte>& places = out[place_stream(plan_.kind)];
  std::vector<std::byte>& values = out[value_stream(plan_.kind)];
  const auto is_far = [&](std::size_t i) { return errors_[i] > (limit != nullptr ? limit[i] : *max_error_); };
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < errors_.size(); ++i) {
    if (is_far(i)) {
      ++count;
    } else {
      largest_ = std::max(largest_, errors_[i]);
    }
  }
  put_varint(places, count);
  exceptions_ += count;
  std::size_t next = 0;
  for (std::size_t i = 0; count > 0 && i < errors_.size(); ++i) {
    if (!is_far(i)) continue;
    put_varint(places, i - next);
    next = i + 1;
    values.insert(values.end(), target.begin() + static_cast<std::ptrdiff_t>(i * width),
                  target.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
  }
}

// --- Reading ---

Status LossyDecoder::begin(DeltaInput& input) {
  if (plan_.kind == DeltaKind::axis_scaled && plan_.elements() > 0) {
    for (Size& size : sizes_.sizes()) {
      std::byte bytes[sizeof(Size)];
      CAIRN_CHECK(read_exactly(input, kSizeStream, bytes));
      size = load_le<Size>(bytes);
    }
  }
  for (const Size size : sizes_.sizes()) {
    if (!is_step(plan_.dtype, size)) return damaged_delta("the size of a step is no number");
  }
  return {};
}

Status LossyDecoder::read_steps(DeltaInput& input, std::size_t count) {
  steps_.resize(count);
  const bool wide = plan_.kind == DeltaKind::int16;
  bytes_.resize(count * (wide ? 2 : 1));
  if (count == 0) return {};
  CAIRN_CHECK(read_exactly(input, kStepStream, bytes_));
  if (wide) {
    std::memcpy(steps_.data(), bytes_.data(), bytes_.size());
  } else {
    for (std::size_t i = 0; i < count; ++i) steps_[i] = static_cast<std::int8_t>(bytes_[i]);
  }
  return {};
}

Status LossyDecoder::decode(std::uint64_t first, DeltaInput& input, Bytes base, MutableBytes into) {
  const std::size_t count = base.size() / element_type(plan_.dtype).width;
  if (plan_.kind == DeltaKind::sparse) {
    std::copy(base.begin(), base.end(), into.begin());
  } else {
    CAIRN_CHECK(read_steps(input, count));
    take_steps(plan_.dtype, base, sizes_.of(first, count), steps_.data(), into);
  }
  return read_exceptions(input, count, into);
}

Status LossyDecoder::read_exceptions(DeltaInput& input, std::size_t count, MutableBytes into) {
  const unsigned width = element_type(plan_.dtype).width;
  CAIRN_TRY(std::uint64_t left, read_varint(input, place_stream(plan_.kind)));
  if (left > count) return damaged_delta("more exceptions than elements");
  for (std::size_t next = 0; left > 0; --left) {
    CAIRN_TRY(const std::uint64_t gap, read_varint(input, place_stream(plan_.kind)));
    if (gap >= count - next) return damaged_delta("an exception lies outside its piece");
    const std::size_t at = next + gap;
    CAIRN_CHECK(read_exactly(input, value_stream(plan_.kind), into.subspan(at * width, width)));
    next = at + 1;
  }
  return {};
}

}  // namespace cairn
