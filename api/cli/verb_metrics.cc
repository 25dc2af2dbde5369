// SPDX-License-Identifier: Apache-2.0
//
// cairn metrics: the series of training runs, listed, read, plotted, watched, exported and imported.
#include <fmt/format.h>

#include <memory>

#include "api/cli/answers.h"
#include "api/cli/input_file.h"
#include "api/cli/json_fields.h"
#include "api/cli/metrics_actions.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string action, run;
  std::vector<std::string> series;
  std::string format = "csv", file, out;
  std::string interval = "1";
  std::optional<std::size_t> buckets, width, height, idle;
};

Result<MetricFormat> format_of(const Options& options) {
  if (options.format == "csv") return MetricFormat::csv;
  if (options.format == "jsonl") return MetricFormat::json_lines;
  if (options.format == "parquet") return MetricFormat::parquet;
  if (options.format == "tensorboard") return MetricFormat::tensorboard;
  return wrong_usage("--format is csv, jsonl, parquet or tensorboard, not '" + printable(options.format) + "'");
}

Result<int> list(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(Metrics metrics, store.metrics());
  std::vector<std::string> runs{options.run};
  if (options.run.empty()) {
    CAIRN_TRY(runs, metrics.runs());
  }
  Listing rows({{"RUN"},
                {"SERIES"},
                {"POINTS", Table::Align::right},
                {"MIN", Table::Align::right},
                {"MAX", Table::Align::right},
                {"LAST", Table::Align::right}});
  for (const std::string& run : runs) {
    CAIRN_CHECK(session.check_stop());
    CAIRN_TRY(const auto all, metrics.series(run));
    for (const MetricSummary& one : all) {
      const auto text = [](const std::optional<double>& value) { return value ? fmt::format("{:.6g}", *value) : "-"; };
      rows.add(to_json(one), {session.out().name(one.run), session.out().name(one.series), count_text(one.count),
                              text(one.min), text(one.max), one.is_text ? "-" : fmt::format("{:.6g}", one.last)});
    }
  }
  rows.print(session.out());
  return kExitDone;
}

Result<int> get(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(Metrics metrics, store.metrics());
  Listing rows({{"STEP", Table::Align::right},
                {"VALUE", Table::Align::right},
                {"MIN", Table::Align::right},
                {"MAX", Table::Align::right}});
  if (options.buckets) {
    CAIRN_TRY(const MetricCurve curve, metrics.downsample(options.run, options.series.front(), *options.buckets));
    for (const MetricBucket& one : curve.buckets) {
      rows.add(to_json(one), {std::to_string(one.first_step), fmt::format("{:.9g}", one.mean),
                              fmt::format("{:.9g}", one.min), fmt::format("{:.9g}", one.max)});
    }
  } else {
    CAIRN_TRY(const MetricCurve curve, metrics.query(options.run, options.series.front()));
    for (const MetricPoint& one : curve.points) {
      rows.add(to_json(one), {std::to_string(one.step), fmt::format("{:.17g}", one.value), "", ""});
    }
  }
  rows.print(session.out());
  return kExitDone;
}

Result<int> export_runs(Session& session, const Options& options) {
  CAIRN_TRY(const MetricFormat format, format_of(options));
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  CAIRN_TRY(Metrics metrics, store.metrics());
  std::vector<std::string> runs{options.run};
  if (options.run.empty()) {
    CAIRN_TRY(runs, metrics.runs());
  }
  const auto output = [&](std::span<const std::byte> bytes) -> Status {
    session.out().write(bytes);
    return session.check_stop();
  };
  CAIRN_CHECK(metrics.export_to(runs, format, output));
  return kExitDone;
}

Result<int> import_run(Session& session, const Options& options) {
  CAIRN_TRY(const MetricFormat format, format_of(options));
  InputFile in([&] { return session.check_stop(); });
  CAIRN_CHECK(in.open(options.file));
  CAIRN_TRY(const std::string file, in.read(SIZE_MAX));
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  CAIRN_TRY(Metrics metrics, store.metrics());
  CAIRN_TRY(const std::uint64_t rows, metrics.import_from(std::as_bytes(std::span(file)), format, options.run));
  CAIRN_CHECK(metrics.flush());
  CAIRN_CHECK(store.close());
  if (session.out().json()) {
    session.summary(Json{{"run", options.run}, {"rows", rows}});
  } else {
    session.out().report("Imported " + count_text(rows, "row", "rows") + "\n");
  }
  return kExitDone;
}

Result<int> remove(Session& session, const Options& options) {
  if (options.run.empty()) return wrong_usage("rm needs a RUN");
  CAIRN_CHECK(session.confirm("remove the run " + options.run + " with all its series"));
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  CAIRN_TRY(Metrics metrics, store.metrics());
  CAIRN_TRY(const std::uint64_t rows, metrics.remove(options.run));
  CAIRN_CHECK(store.close());
  print_removed(session, rows, "row", "rows");
  return kExitDone;
}

Result<int> run_metrics(Session& session, const Options& options) {
  if (options.action == "list") return list(session, options);
  if (options.action == "export") return export_runs(session, options);
  if (options.action == "rm") return remove(session, options);
  if (options.action == "get") {
    if (options.run.empty() || options.series.size() != 1) return wrong_usage("get needs a RUN and a SERIES");
    return get(session, options);
  }
  if (options.action == "plot") {
    if (options.run.empty() || options.series.empty()) return wrong_usage("plot needs a RUN and a SERIES");
    return plot_metrics(session, {.run = options.run,
                                  .series = options.series,
                                  .out = options.out,
                                  .width = options.width,
                                  .height = options.height});
  }
  if (options.action == "watch") {
    if (options.run.empty()) return wrong_usage("watch needs a RUN");
    return watch_metrics(
        session, {.run = options.run, .series = options.series, .interval = options.interval, .idle = options.idle});
  }
  if (options.action == "import") {
    if (options.run.empty() || options.file.empty()) return wrong_usage("import needs a RUN and --file");
    return import_run(session, options);
  }
  return wrong_usage("metrics knows list, get, plot, watch, export, import and rm, not '" + printable(options.action) +
                     "'");
}

Run declare_metrics(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("list|get|plot|watch|export|import|rm", given->action, "What to do");
  options.argument("RUN", given->run, "Which run; list, export: all without it", Need::optional);
  options.arguments("SERIES", given->series, "get: which series; plot: one or more; watch: all without it",
                    Need::optional);
  options.option("--buckets", "N", given->buckets, "get: at most so many parts, with their least and greatest value");
  options.option("--format", "NAME", given->format, "export: csv, jsonl or parquet; import: csv or tensorboard");
  options.option("--file", "FILE", given->file, "import: what to read");
  options.option("--out", "FILE.svg", given->out, "plot: draw an SVG here; without it, a sketch on the terminal");
  options.option("--width", "N", given->width, "plot: in pixels (900), or in characters (as the terminal has)");
  options.option("--height", "N", given->height, "plot: in pixels (480), or in characters (16)");
  options.option("--interval", "SECONDS", given->interval, "watch: between two looks");
  options.option("--idle", "SECONDS", given->idle, "watch: ends after so long without a new row");
  return [given](Session& session) { return run_metrics(session, *given); };
}

}  // namespace

constinit const Verb kMetrics{
    .name = "metrics",
    .summary = "List, read, plot, watch, remove, export and import the series of training runs",
    .examples =
        "  cairn metrics list\n"
        "  cairn metrics get run7 train_loss --buckets 100\n"
        "  cairn metrics plot run7 train_loss\n"
        "  cairn metrics plot run7 train_loss val_loss --out loss.svg\n"
        "  cairn metrics watch run7 train_loss --idle 600\n"
        "  cairn metrics export run7 --format parquet > run7.parquet\n"
        "  cairn metrics import run8 --format tensorboard --file events.out.tfevents.1\n"
        "  cairn metrics rm run8\n",
    .lines = false,
    .declare = declare_metrics};

}  // namespace cairn::cli
