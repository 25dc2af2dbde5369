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

}  // namespace cairn::cli
