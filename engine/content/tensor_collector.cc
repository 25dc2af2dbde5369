// SPDX-License-Identifier: Apache-2.0
#include "engine/content/tensor_collector.h"

#include <algorithm>

namespace cairn {

std::optional<std::uint64_t> element_count(const std::vector<std::uint64_t>& shape) noexcept {
  if (std::find(shape.begin(), shape.end(), 0u) != shape.end()) return 0;
  std::uint64_t count = 1;
  for (const std::uint64_t dimension : shape) {
    if (__builtin_mul_overflow(count, dimension, &count)) return std::nullopt;
  }
  return count;
}

std::optional<std::uint64_t> byte_count(DType dtype, const std::vector<std::uint64_t>& shape) noexcept {
  const std::uint64_t bits = dtype_bits(dtype);
  const auto count = element_count(shape);
  std::uint64_t total = 0;
  if (bits == 0 || !count || __builtin_mul_overflow(*count, bits, &total)) return std::nullopt;
  return total / 8 + (total % 8 != 0);
}

std::string quoted(std::string_view name) {
  constexpr std::size_t kShown = 80;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "'";
  for (const char c : name.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && byte != '\'' && byte != '\\') {
      out += c;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out + (name.size() > kShown ? "...'" : "'");
}

bool TensorCollector::charge(std::uint64_t bytes) noexcept {
  if (exhausted_ || bytes > memory_left_) {
    exhausted_ = true;
    return false;
  }
  memory_left_ -= bytes;
  return true;
}

ScanOutcome TensorCollector::over_budget() {
  return ScanOutcome::because("its metadata needs more than the " + std::to_string(kParseMemoryMax / MiB) +
                              " MiB that parsing may take");
}

bool TensorCollector::add(TensorRegion region) {
  const auto refuse = [&](std::string_view why) {
    remark("tensor " + quoted(region.name) + " " + std::string(why));
    return true;
  };
  if (region.shape.size() > kDimensionsMax) return refuse("has too many dimensions");
  if (!element_count(region.shape)) return refuse("has a shape that overflows");
  if (region.offset > file_bytes_ || region.length > file_bytes_ - region.offset) {
    return refuse("lies outside the file");
  }
  if (dtype_bits(region.dtype) != 0 && byte_count(region.dtype, region.shape) != region.length) {
    return refuse("has a length that is not its shape's");
  }
  // A growing vector holds its old and its new memory for a moment: three times at most.
  constexpr std::uint64_t kAllocation = 16;
  if (!charge(3 * sizeof(TensorRegion) + region.name.size() + region.shape.size() * sizeof(std::uint64_t) +
              2 * kAllocation)) {
    return false;
  }
  regions_.push_back(std::move(region));
  return true;
}

void TensorCollector::remark(std::string text) {
  if (remark_.empty()) {
    remark_ = std::move(text);
  } else {
    ++more_remarks_;
  }
}

ModelFile TensorCollector::finish(ModelFormat format) && {
  // Stable, so that of equal regions the first name in the file wins.
  std::stable_sort(regions_.begin(), regions_.end(), [](const TensorRegion& a, const TensorRegion& b) {
    if (a.offset != b.offset) return a.offset < b.offset;
    // What has no bytes comes before what begins at the same place, and then stays there.
    if ((a.length == 0) != (b.length == 0)) return a.length == 0;
    return a.length > b.length;
  });
  ModelFile file{.format = format, .tensors = {}, .note = {}};
  std::uint64_t end = 0;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    TensorRegion& region = regions_[i];
    if (region.offset < end && region.length == 0) {
      // No bytes, so it may be anywhere: behind the tensor it would cut in two.
      region.offset = end;
    } else if (region.offset < end) {
      const TensorRegion& before = regions_[kept - 1];
      // Tied weights: one tensor under several names is no fault.
      const bool equal = before.offset == region.offset && before.length == region.length &&
                         before.dtype == region.dtype && before.shape == region.shape;
      if (!equal) remark("tensor " + quoted(region.name) + " overlaps another");
      continue;
    }
    end = region.offset + region.length;
    if (kept != i) regions_[kept] = std::move(region);
    ++kept;
  }
  regions_.resize(kept);
  file.tensors = std::move(regions_);
  file.note = std::move(remark_);
  if (more_remarks_ != 0) file.note += " (and " + std::to_string(more_remarks_) + " more)";
  return file;
}

}  // namespace cairn
