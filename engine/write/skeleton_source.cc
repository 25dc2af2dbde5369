// SPDX-License-Identifier: Apache-2.0
#include "engine/write/skeleton_source.h"

#include <algorithm>

#include "engine/base/errors.h"

namespace cairn {

SkeletonSource::SkeletonSource(const ByteSource& file, const ModelFile& model) : file_(file) {
  std::uint64_t at = 0;
  const auto add_gap = [&](std::uint64_t end) {
    if (end > at) gaps_.push_back({size_, at, end - at});
    size_ += end - at;
  };
  for (const TensorRegion& tensor : model.tensors) {
    CAIRN_INVARIANT(tensor.offset >= at && tensor.length <= file.size() - tensor.offset);
    add_gap(tensor.offset);
    at = tensor.offset + tensor.length;
  }
  add_gap(file.size());
}

Status SkeletonSource::read_at(std::uint64_t offset, MutableBytes into) const {
  auto gap = std::upper_bound(gaps_.begin(), gaps_.end(), offset,
                              [](std::uint64_t value, const Gap& g) { return value < g.at; });
  CAIRN_INVARIANT(gap != gaps_.begin() || into.empty());
  if (!into.empty()) --gap;
  while (!into.empty()) {
    CAIRN_INVARIANT(gap != gaps_.end());
    const std::uint64_t skip = offset - gap->at;
    const auto part = std::min<std::uint64_t>(into.size(), gap->length - skip);
    CAIRN_CHECK(file_.read_at(gap->from + skip, into.first(part)));
    into = into.subspan(part);
    offset += part;
    ++gap;
  }
  return {};
}

}  // namespace cairn
