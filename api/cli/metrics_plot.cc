// SPDX-License-Identifier: Apache-2.0
//
// cairn metrics plot: series as a sketch on a terminal, or as an SVG.
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>

#include "api/cli/answers.h"
#include "api/cli/json_fields.h"
#include "api/cli/metrics_actions.h"
#include "api/cli/new_file.h"
#include "api/cli/series_sketch.h"
#include "api/cli/series_svg.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kSeriesMax = 32;

Result<std::size_t> checked(const char* flag, std::optional<std::size_t> given, std::size_t otherwise,
                            std::size_t least, std::size_t most) {
  const std::size_t value = given.value_or(otherwise);
  if (value >= least && value <= most) return value;
  return wrong_usage(fmt::format("{} is from {} to {}", flag, least, most));
}

std::size_t terminal_columns() {
  winsize size{};
  const bool is_known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20;
  return is_known ? std::min<std::size_t>(size.ws_col, 1000) : SketchSize().columns;
}

// Each in at most `buckets` parts. not_found when one of them has no numbers.
Result<std::vector<PlotSeries>> read_series(Session& session, const PlotOptions& options, std::size_t buckets) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(Metrics metrics, store.metrics());
  std::vector<PlotSeries> all;
  for (const std::string& name : options.series) {
    CAIRN_CHECK(session.check_stop());
    CAIRN_TRY(MetricCurve curve, metrics.downsample(options.run, name, buckets));
    if (curve.buckets.empty()) {
      return Error{.code = ErrorCode::not_found,
                   .message = "run '" + printable(options.run) + "' has no numbers of '" + printable(name) + "'"};
    }
    all.push_back(plot_series_of(std::move(curve)));
  }
  return all;
}

Json fields_of(const PlotSeries& series) {
  Json buckets = Json::array();
  for (const MetricBucket& bucket : series.buckets) buckets.push_back(to_json(bucket));
  return {{"series", series.name}, {"count", series.count}, {"nans", series.nans}, {"buckets", std::move(buckets)}};
}

Result<int> plot_svg(Session& session, const PlotOptions& options) {
  SvgSize size;
  CAIRN_TRY(size.width, checked("--width", options.width, size.width, 200, 10'000));
  CAIRN_TRY(size.height, checked("--height", options.height, size.height, 120, 10'000));
  CAIRN_TRY(const auto all, read_series(session, options, svg_buckets(size)));
  CAIRN_TRY(const std::string svg, svg_of(options.run, all, size));
  NewFile file(options.out);
  CAIRN_CHECK(file.open());
  CAIRN_CHECK(file.write(svg));
  CAIRN_CHECK(file.commit());
  session.summary(Json{{"file", options.out}, {"series", all.size()}});
  if (!session.out().json()) session.out().report("Wrote " + session.out().name(options.out) + "\n");
  return kExitDone;
}

Result<int> plot_sketch(Session& session, const PlotOptions& options) {
  SketchSize size;
  CAIRN_TRY(size.columns, checked("--width", options.width, terminal_columns(), 20, 1000));
  CAIRN_TRY(size.rows, checked("--height", options.height, size.rows, 5, 500));
  CAIRN_TRY(const auto all, read_series(session, options, sketch_buckets(size)));
  Json rows = Json::array();
  for (const PlotSeries& series : all) {
    if (session.out().json()) {
      rows.push_back(fields_of(series));
    } else {
      session.out().text(sketch_of(series, size));
    }
  }
  if (session.out().json()) session.out().document(std::move(rows));
  return kExitDone;
}

}  // namespace

Result<int> plot_metrics(Session& session, const PlotOptions& options) {
  if (options.series.size() > kSeriesMax) return wrong_usage(fmt::format("a plot has at most {} series", kSeriesMax));
  return options.out.empty() ? plot_sketch(session, options) : plot_svg(session, options);
}

}  // namespace cairn::cli
