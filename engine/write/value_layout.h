// SPDX-License-Identifier: Apache-2.0
//
// A value's bytes in their one order: row-major and contiguous, wherever its elements lie
// in the memory that was handed over.
#pragma once

#include <vector>

#include "cairn/objects.h"
#include "engine/base/bytes.h"

namespace cairn {

class ValueLayout {
 public:
  // Checks that the put is well-formed: sizes add up, and every element lies in put.bytes.
  static Result<ValueLayout> of(const Put& put);

  std::uint64_t total_bytes() const noexcept { return total_bytes_; }
  // Whether the value lies in memory as it is stored.
  bool contiguous() const noexcept { return strides_.empty(); }
  // Gathers [offset, offset + into.size()) of the value from `memory` (put.bytes).
  void gather(Bytes memory, std::uint64_t offset, MutableBytes into) const;

 private:
  std::uint64_t total_bytes_ = 0;
  std::uint64_t element_bytes_ = 1;
  std::vector<std::uint64_t> shape_;
  std::vector<std::int64_t> strides_;  // in bytes; empty: contiguous
  std::uint64_t first_ = 0;            // byte of memory that holds element [0, …, 0]
};

}  // namespace cairn
