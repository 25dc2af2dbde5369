// SPDX-License-Identifier: Apache-2.0
//
// What users see of metrics (cairn/metrics.h), over the log and the reader.
#include "cairn/metrics.h"

#include "engine/base/errors.h"
#include "engine/results/metric_export.h"
#include "engine/results/metric_log.h"
#include "engine/results/metric_reader.h"

namespace cairn {
namespace {

Error read_only() {
  return make_error(ErrorCode::invalid_argument,
                    "the store is open for reading only: no metrics can be logged or removed");
}

}  // namespace

Result<MetricSeries> MetricRun::series(std::string_view name) { return log_->series(id_, name); }

bool MetricRun::push(MetricSeries series, std::int64_t step, double value) noexcept {
  return log_->push(series, step, value);
}

Status MetricRun::log(std::int64_t step, std::span<const NamedMetric> values, std::optional<std::int64_t> time_ns) {
  return log_->log(id_, step, values, time_ns);
}

Status MetricRun::log(std::int64_t step, std::initializer_list<NamedMetric> values) {
  return log_->log(id_, step, std::span(values.begin(), values.size()));
}

Status MetricRun::log_step(std::int64_t step, const TrainingMetrics& metrics) { return log_->log(id_, step, metrics); }

Status MetricRun::log_epoch(std::int64_t epoch, const TrainingMetrics& metrics) {
  return log_->log_epoch(id_, epoch, metrics);
}

Result<MetricRun> Metrics::run(std::string_view name) {
  if (log_ == nullptr) return read_only();
  CAIRN_TRY(const std::uint32_t id, log_->run(name));
  return MetricRun(*log_, id, std::string(name));
}

Status Metrics::flush() { return log_ == nullptr ? Status() : log_->flush(); }

Status Metrics::set_flush(std::size_t rows, std::chrono::milliseconds interval) {
  if (log_ == nullptr) return read_only();
  log_->set_flush(rows, interval);
  return {};
}

MetricLogStats Metrics::stats() const { return log_ == nullptr ? MetricLogStats() : log_->stats(); }

Result<std::vector<std::string>> Metrics::runs() { return MetricReader(*entries_, log_).runs(); }

Result<std::vector<MetricSummary>> Metrics::series(std::string_view run) {
  return MetricReader(*entries_, log_).series(run);
}

Result<MetricCurve> Metrics::query(std::string_view run, std::string_view series, const MetricRange& range) {
  return MetricReader(*entries_, log_).query(run, series, range);
}

Result<std::vector<MetricCurve>> Metrics::query(std::span<const std::string> runs, std::span<const std::string> series,
                                                const MetricRange& range) {
  return MetricReader(*entries_, log_).query(runs, series, range);
}

Result<MetricCurve> Metrics::downsample(std::string_view run, std::string_view series, std::size_t buckets,
                                        const MetricRange& range) {
  return MetricReader(*entries_, log_).downsample(run, series, buckets, range);
}

Result<std::optional<MetricPoint>> Metrics::last(std::string_view run, std::string_view series) {
  return MetricReader(*entries_, log_).last(run, series);
}

Status Metrics::rows(std::string_view run, MetricCursor& cursor, const VisitMetricRow& visit) {
  return MetricReader(*entries_, log_).rows_behind(run, cursor, visit);
}

Result<std::uint64_t> Metrics::remove(std::string_view run) {
  if (log_ == nullptr) return read_only();
  return log_->remove(run);
}

Status Metrics::export_to(std::span<const std::string> runs, MetricFormat format, const MetricOutput& output) {
  MetricReader reader(*entries_, log_);
  return export_metrics(reader, runs, format, output);
}

Result<std::uint64_t> Metrics::import_from(std::span<const std::byte> file, MetricFormat format, std::string_view run) {
  if (log_ == nullptr) return read_only();
  if (format == MetricFormat::csv) return import_csv(as_text(file), run, *log_);
  if (format == MetricFormat::tensorboard) return import_tensorboard(file, run, *log_);
  return make_error(ErrorCode::invalid_argument, "metrics are imported from CSV and from TensorBoard's event files");
}

}  // namespace cairn
