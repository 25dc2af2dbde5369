// SPDX-License-Identifier: Apache-2.0
//
// Series as a picture that stands for itself: SVG 1.1, without scripts, fonts or anything else from elsewhere.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "api/cli/plot_series.h"

namespace cairn::cli {

struct SvgSize {
  std::size_t width = 900, height = 480;  // of pixels, axes and legend included
};

// How many parts of a series can be told apart: one in each pixel.
std::size_t svg_buckets(const SvgSize& size);

// In one pair of axes. Of each series there is a band from the least to the greatest value of each part, and a line
// through their means; both end where a part has no number. invalid_argument when the legend leaves no room.
Result<std::string> svg_of(std::string_view title, std::span<const PlotSeries> all, const SvgSize& size);

}  // namespace cairn::cli
