// SPDX-License-Identifier: Apache-2.0
//
// How two tensors of the same type and shape differ, summed over their pieces.
#pragma once

#include <vector>

#include "cairn/deltas.h"
#include "engine/base/bytes.h"
#include "engine/delta/element_type.h"
#include "engine/delta/steps.h"

namespace cairn {

class Comparison {
 public:
  explicit Comparison(DType dtype) : dtype_(dtype), type_(element_type(dtype)) {}
  // Whole elements, equally many. Of packed types, elements are bytes.
  void add(Bytes target, Bytes base);
  DeltaStatistics finish() const;

 private:
  template <class Real>
  struct Sums {
    std::uint64_t compared = 0, zeros = 0;
    Size largest = 0;
    Real sum = 0, squares = 0, product = 0, of_target = 0, of_base = 0;
    Real all() const noexcept { return sum + squares + of_target + of_base; }
  };

  void add_numbers(Bytes target, Bytes base);
  template <class Real>
  Sums<Real> sum(std::size_t from, std::size_t to);
  template <class Real>
  void add_sums(const Sums<Real>& sums);

  const DType dtype_;
  const ElementType type_;
  DeltaStatistics statistics_;
  Sums<long double> all_;  // squares of the largest doubles fit
  std::vector<Size> distances_;
  std::vector<double> x_, y_;
};

}  // namespace cairn
