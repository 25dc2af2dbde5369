// SPDX-License-Identifier: Apache-2.0
#include "engine/write/value_layout.h"

#include <algorithm>
#include <cstring>

#include "engine/base/errors.h"

namespace cairn {
namespace {

Error wrong(const Put& put, const std::string& why) {
  return make_error(ErrorCode::invalid_argument, "put '" + put.name + "': " + why);
}

}  // namespace

Result<ValueLayout> ValueLayout::of(const Put& put) {
  ValueLayout layout;
  layout.total_bytes_ = put.bytes.size();
  if (!put.tensor) return layout;
  const TensorLayout& tensor = *put.tensor;
  if (tensor.strides.empty() && tensor.first != 0) return wrong(put, "a first element goes with strides");
  if (!dtype_is_valid(static_cast<std::uint8_t>(tensor.dtype))) return wrong(put, "no such dtype");
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : tensor.shape) {
    if (__builtin_mul_overflow(elements, extent, &elements)) return wrong(put, "its shape is too large");
  }
  const unsigned bits = dtype_bits(tensor.dtype);
  std::uint64_t total_bits = 0;
  if (__builtin_mul_overflow(elements, std::uint64_t{bits}, &total_bits) || total_bits > UINT64_MAX - 7) {
    return wrong(put, "its shape is too large");
  }
  const std::uint64_t expected = (total_bits + 7) / 8;
  if (tensor.strides.empty()) {
    // What has elements of no fixed size is taken at its word.
    if (bits != 0 && expected != put.bytes.size()) {
      return wrong(put, "its shape and dtype make " + std::to_string(expected) + " bytes, not " +
                            std::to_string(put.bytes.size()));
    }
    return layout;
  }
  if (bits == 0 || bits % 8 != 0) return wrong(put, "elements of this dtype have no strides");
  if (tensor.strides.size() != tensor.shape.size()) return wrong(put, "it needs a stride for each dimension");
  layout.total_bytes_ = expected;
  layout.element_bytes_ = bits / 8;
  if (elements == 0) return layout;
  // The elements that lie lowest and highest, counted from `first`.
  std::int64_t lowest = 0, highest = 0;
  for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
    std::int64_t reach = 0;
    const std::uint64_t steps = tensor.shape[d] - 1;
    std::int64_t& side = tensor.strides[d] < 0 ? lowest : highest;
    if (steps > INT64_MAX || __builtin_mul_overflow(tensor.strides[d], static_cast<std::int64_t>(steps), &reach) ||
        __builtin_add_overflow(side, reach, &side)) {
      return wrong(put, "its strides leave the memory");
    }
  }
  const std::uint64_t there = put.bytes.size() / layout.element_bytes_;
  const std::uint64_t below = lowest == 0 ? 0 : static_cast<std::uint64_t>(-(lowest + 1)) + 1;
  if (tensor.first >= there || below > tensor.first || static_cast<std::uint64_t>(highest) >= there - tensor.first) {
    return wrong(put, "its strides leave the memory");
  }
  layout.shape_ = tensor.shape;
  layout.first_ = tensor.first * layout.element_bytes_;
  for (const std::int64_t stride : tensor.strides) {
    layout.strides_.push_back(stride * static_cast<std::int64_t>(layout.element_bytes_));
  }
  return layout;
}

void ValueLayout::gather(Bytes memory, std::uint64_t offset, MutableBytes into) const {
  if (contiguous()) {
    std::memcpy(into.data(), memory.data() + offset, into.size());
    return;
  }
  const std::size_t dimensions = shape_.size();
  // The place of the first element wanted; the last dimension runs fastest.
  std::vector<std::uint64_t> at(dimensions);
  std::uint64_t index = offset / element_bytes_;
  for (std::size_t d = dimensions; d-- > 0;) {
    at[d] = index % shape_[d];
    index /= shape_[d];
  }
  std::size_t within = offset % element_bytes_;
  std::size_t done = 0;
  while (done < into.size()) {
    std::int64_t place = static_cast<std::int64_t>(first_);
    for (std::size_t d = 0; d < dimensions; ++d) place += static_cast<std::int64_t>(at[d]) * strides_[d];
    // A row whose elements touch is copied at once.
    const std::size_t last = dimensions - 1;
    const bool row = dimensions > 0 && strides_[last] == static_cast<std::int64_t>(element_bytes_);
    const std::uint64_t run = row ? shape_[last] - at[last] : 1;
    const std::size_t bytes = std::min<std::uint64_t>(run * element_bytes_ - within, into.size() - done);
    std::memcpy(into.data() + done, memory.data() + place + static_cast<std::int64_t>(within), bytes);
    done += bytes;
    within = 0;
    if (dimensions == 0) return;
    at[last] += run;
    for (std::size_t d = last; d > 0 && at[d] == shape_[d]; --d) {
      at[d] = 0;
      ++at[d - 1];
    }
  }
}

}  // namespace cairn
