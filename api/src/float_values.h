// SPDX-License-Identifier: Apache-2.0
//
// The values of floating-point elements, for comparing tensors.
#pragma once

#include "cairn/dtype.h"
#include "engine/base/bytes.h"

namespace cairn {

// Whether differences of this element type can be taken: f64, f32, f16, bf16.
bool has_float_values(DType dtype) noexcept;

// Sums |a - b| over elements and keeps the largest. Where either is not finite, equal
// values (or two NaNs) count as zero and others as infinity.
struct FloatDifference {
  double largest = 0;
  double sum = 0;

  // `a` and `b` hold whole elements of `dtype`, equally many.
  void add(DType dtype, Bytes a, Bytes b);
};

}  // namespace cairn
