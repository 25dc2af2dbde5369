// SPDX-License-Identifier: Apache-2.0
//
// One series as text: dots of braille characters between axes with labels.
#pragma once

#include <cstddef>
#include <string>

#include "api/cli/plot_series.h"

namespace cairn::cli {

struct SketchSize {
  std::size_t columns = 80, rows = 16;  // of characters, axes and labels included
};

// How many parts of a series can be told apart: two in each column.
std::size_t sketch_buckets(const SketchSize& size);

// Every dot column shows everything between the least and the greatest value of its part: no peak is lost. Neighbours
// are joined by a line unless a part without a number lies between them.
std::string sketch_of(const PlotSeries& series, const SketchSize& size);

}  // namespace cairn::cli
