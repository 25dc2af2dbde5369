// SPDX-License-Identifier: Apache-2.0
//
// What a plot is drawn from: series in parts by step, and the range that they span together.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "cairn/metrics.h"

namespace cairn::cli {

struct PlotSeries {
  std::string name;
  std::vector<MetricBucket> buckets;  // by step; of parts that are all NaN, nothing is drawn
  std::uint64_t count = 0, nans = 0;  // of them
  double min = 0, max = 0;            // of those that are no NaN; infinities count
  bool has_numbers = false;           // besides NaN
};

PlotSeries plot_series_of(MetricCurve curve);

// Where steps and values lie, from 0 to 1. Of the values only finite ones make the range; what is infinite lies at the
// edge.
struct PlotRange {
  double first_step = 0, last_step = 0;
  double low = 0, high = 0;

  double across(std::int64_t step) const;
  double up(double value) const;
};

// Of what is at one step, or has one value, the range is widened, so that it lies in the middle.
PlotRange plot_range_of(std::span<const PlotSeries> series);

// Round numbers inside of the range, at most `most` of them, ascending.
std::vector<double> ticks_of(double low, double high, std::size_t most);

// As short as tells apart what is `apart` from it: "0.25", "1.5e-07", "10000050".
std::string tick_text(double value, double apart);

}  // namespace cairn::cli
