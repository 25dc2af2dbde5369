// SPDX-License-Identifier: Apache-2.0
//
// Sums from which the statistics of fitness follow, one number after the other (Welford).
#pragma once

#include <cstdint>

#include "cairn/experiments.h"
#include "engine/base/endian.h"
#include "engine/format/field_reader.h"

namespace cairn {

struct FitnessTally {
  std::uint64_t count = 0, not_a_number = 0, infinite = 0;
  double min = 0, max = 0;   // of all that are numbers; 0 without any
  double mean = 0, sum = 0;  // of finite ones; the sum is that of squared distances from the mean

  std::uint64_t numbers() const noexcept { return count - not_a_number; }
  void add(double fitness) noexcept;
  EvaluationStatistics statistics() const noexcept;

  friend bool operator==(const FitnessTally&, const FitnessTally&) = default;
};

// As it is inside of values (docs/format/entries.md).
void put_tally(ByteWriter& writer, const FitnessTally& tally);
Result<FitnessTally> get_tally(FieldReader& reader);

}  // namespace cairn
