// SPDX-License-Identifier: Apache-2.0
#include "api/cli/plot_series.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace cairn::cli {
namespace {

// From 0 to 1, also where the difference of the ends is beyond a double.
double share(double low, double value, double high) {
  if (std::isinf(value)) return value < 0 ? 0 : 1;
  const double whole = high / 4 - low / 4;
  // Less than doubles tell apart.
  if (!(whole > 0)) return 0.5;
  return std::clamp((value / 4 - low / 4) / whole, 0.0, 1.0);
}

// Values that are one lie in the middle of a range around them.
void widen(double& low, double& high) {
  if (low < high) return;
  const double by = low == 0 ? 1 : std::abs(low) * 0.1;
  low = std::max(low - by, -std::numeric_limits<double>::max());
  high = std::min(high + by, std::numeric_limits<double>::max());
}

}  // namespace

PlotSeries plot_series_of(MetricCurve curve) {
  PlotSeries series{.name = std::move(curve.series), .buckets = std::move(curve.buckets)};
  for (const MetricBucket& bucket : series.buckets) {
    series.count += bucket.count;
    series.nans += bucket.nans;
    if (bucket.nans == bucket.count) continue;
    series.min = series.has_numbers ? std::min(series.min, bucket.min) : bucket.min;
    series.max = series.has_numbers ? std::max(series.max, bucket.max) : bucket.max;
    series.has_numbers = true;
  }
  return series;
}

PlotRange plot_range_of(std::span<const PlotSeries> all) {
  PlotRange range;
  bool has_step = false, has_value = false;
  const auto include = [](double value, double& low, double& high, bool& is_there) {
    low = is_there ? std::min(low, value) : value;
    high = is_there ? std::max(high, value) : value;
    is_there = true;
  };
  for (const PlotSeries& series : all) {
    for (const MetricBucket& bucket : series.buckets) {
      include(static_cast<double>(bucket.first_step), range.first_step, range.last_step, has_step);
      include(static_cast<double>(bucket.last_step), range.first_step, range.last_step, has_step);
      if (bucket.nans == bucket.count) continue;
      for (const double value : {bucket.min, bucket.max, bucket.first, bucket.last}) {
        if (std::isfinite(value)) include(value, range.low, range.high, has_value);
      }
    }
  }
  widen(range.first_step, range.last_step);
  widen(range.low, range.high);
  return range;
}

double PlotRange::across(std::int64_t step) const { return share(first_step, static_cast<double>(step), last_step); }
double PlotRange::up(double value) const { return share(low, value, high); }

std::vector<double> ticks_of(double low, double high, std::size_t most) {
  const double rough = (high / 4 - low / 4) * 4 / static_cast<double>(std::max<std::size_t>(most, 2));
  if (!std::isfinite(rough) || rough <= 0) return {low, high};
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double width = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) {
      width = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  const double first = std::ceil(low / width);
  for (std::size_t i = 0; i <= most; ++i) {
    const double tick = (first + static_cast<double>(i)) * width;
    if (!(tick <= high)) break;
    ticks.push_back(tick == 0 ? 0 : tick);
  }
  // Where doubles are too coarse for round numbers between the ends.
  if (ticks.size() < 2 || !(ticks[0] < ticks[1])) return {low, high};
  return ticks;
}

std::string tick_text(double value, double apart) {
  constexpr int kDigits = 6, kDigitsMax = 12;
  const double digits = std::ceil(std::log10(std::abs(value / apart))) + 2;
  return fmt::format("{:.{}g}", value,
                     digits > kDigits ? static_cast<int>(std::min<double>(digits, kDigitsMax)) : kDigits);
}

}  // namespace cairn::cli
