// SPDX-License-Identifier: Apache-2.0
//
// What `cairn metrics` does besides reading and writing tables: plots of series, and watching a run.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "api/cli/session.h"

namespace cairn::cli {

struct PlotOptions {
  std::string run;
  std::vector<std::string> series;
  std::string out;  // an SVG; empty: a sketch on standard output
  std::optional<std::size_t> width, height;
};

Result<int> plot_metrics(Session& session, const PlotOptions& options);

struct WatchOptions {
  std::string run;
  std::vector<std::string> series;  // empty: all of them
  std::string interval = "1";       // seconds between two looks
  std::optional<std::size_t> idle;  // seconds without a new row after which the run is taken as ended
};

// Until the run is taken as ended, or the user stops it.
Result<int> watch_metrics(Session& session, const WatchOptions& options);

}  // namespace cairn::cli
