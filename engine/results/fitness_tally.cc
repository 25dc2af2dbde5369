// SPDX-License-Identifier: Apache-2.0
#include "engine/results/fitness_tally.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace cairn {

void FitnessTally::add(double fitness) noexcept {
  ++count;
  if (std::isnan(fitness)) {
    ++not_a_number;
    return;
  }
  min = numbers() == 1 ? fitness : std::min(min, fitness);
  max = numbers() == 1 ? fitness : std::max(max, fitness);
  if (std::isinf(fitness)) {
    ++infinite;
    return;
  }
  const auto finite = static_cast<double>(numbers() - infinite);
  const double distance = fitness - mean;
  // The difference of finite numbers need not be finite, their mean is.
  mean = std::isfinite(distance) ? mean + distance / finite : mean + (fitness / finite - mean / finite);
  sum += distance * (fitness - mean);
}

EvaluationStatistics FitnessTally::statistics() const noexcept {
  EvaluationStatistics statistics{.count = count, .not_a_number = not_a_number, .infinite = infinite};
  if (numbers() > 0) {
    statistics.min = min;
    statistics.best = statistics.max = max;
  }
  if (numbers() > infinite) {
    statistics.mean = mean;
    statistics.variance = sum / static_cast<double>(numbers() - infinite);
  }
  return statistics;
}

void put_tally(ByteWriter& writer, const FitnessTally& tally) {
  for (const std::uint64_t number : {tally.count, tally.not_a_number, tally.infinite}) writer.put(number);
  for (const double number : {tally.min, tally.max, tally.mean, tally.sum}) {
    writer.put(std::bit_cast<std::uint64_t>(number));
  }
}

Result<FitnessTally> get_tally(FieldReader& reader) {
  FitnessTally tally;
  CAIRN_TRY(tally.count, reader.get<std::uint64_t>("count"));
  CAIRN_TRY(tally.not_a_number, reader.get<std::uint64_t>("not_a_number"));
  if (tally.not_a_number > tally.count) return reader.wrong("is above count");
  CAIRN_TRY(tally.infinite, reader.get<std::uint64_t>("infinite"));
  if (tally.infinite > tally.numbers()) return reader.wrong("is above the count of numbers");
  CAIRN_TRY(const auto min, reader.get<std::uint64_t>("min"));
  CAIRN_TRY(const auto max, reader.get<std::uint64_t>("max"));
  CAIRN_TRY(const auto mean, reader.get<std::uint64_t>("mean"));
  CAIRN_TRY(const auto sum, reader.get<std::uint64_t>("sum"));
  tally.min = std::bit_cast<double>(min);
  tally.max = std::bit_cast<double>(max);
  tally.mean = std::bit_cast<double>(mean);
  tally.sum = std::bit_cast<double>(sum);
  return tally;
}

}  // namespace cairn
