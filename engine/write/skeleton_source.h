// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a model file that belong to no tensor, as one byte string.
#pragma once

#include <vector>

#include "engine/content/byte_source.h"
#include "engine/content/model_file.h"

namespace cairn {

class SkeletonSource final : public ByteSource {
 public:
  // Borrows `file`; `model` describes it (sorted, non-overlapping regions).
  SkeletonSource(const ByteSource& file, const ModelFile& model);

  std::uint64_t size() const override { return size_; }
  Status read_at(std::uint64_t offset, MutableBytes into) const override;

 private:
  struct Gap {
    std::uint64_t at = 0;    // in the skeleton
    std::uint64_t from = 0;  // in the file
    std::uint64_t length = 0;
  };
  const ByteSource& file_;
  std::vector<Gap> gaps_;
  std::uint64_t size_ = 0;
};

}  // namespace cairn
