// SPDX-License-Identifier: Apache-2.0
//
// Asks a table of entries for what was logged (cairn/metrics.h), also while it is.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/metrics.h"
#include "engine/results/entry_store.h"
#include "engine/results/metric_block.h"
#include "engine/results/metric_log.h"

namespace cairn {

// Any number of threads. Reads the heads of a run's blocks, and decodes of the others only the columns asked for. With
// a log, it is flushed first: a program reads what it has logged.
class MetricReader {
 public:
  explicit MetricReader(EntryStore& store, MetricLog* log = nullptr) : store_(store), log_(log) {}

  // By name.
  Result<std::vector<std::string>> runs();

  // not_found when there is no such run; a series that the run does not have has no points.
  // By name.
  Result<std::vector<MetricSummary>> series(std::string_view run);
  // Nothing when the run has no such series.
  Result<std::optional<MetricSummary>> summary(std::string_view run, std::string_view series);
  // Points by step; those of one step as they were logged.
  Result<MetricCurve> query(std::string_view run, std::string_view series, const MetricRange& range = {});
  // All series of all runs; what a run does not have is left out.
  Result<std::vector<MetricCurve>> query(std::span<const std::string> runs, std::span<const std::string> series,
                                         const MetricRange& range = {});
  // At most `buckets` of them, which part the range of steps that there are evenly; those without points are left out.
  Result<MetricCurve> downsample(std::string_view run, std::string_view series, std::size_t buckets,
                                 const MetricRange& range = {});
  // Logged last; nothing when the run has no such number.
  Result<std::optional<MetricPoint>> last(std::string_view run, std::string_view series);

  // The rows of a run, block by block, as they were logged.
  using VisitRows = std::function<Status(const MetricRows& rows)>;
  Status rows(std::string_view run, const WantedSeries& wanted, const VisitRows& visit);

  // The same row by row, behind those that the cursor has passed, which passes them. Reads no block before.
  Status rows_behind(std::string_view run, MetricCursor& cursor, const VisitMetricRow& visit);

  // The heads of a run's blocks, for who needs to know all columns before any row; of what is written, unless flush()
  // is called before.
  // conflict when a block was joined to others before it was read: reading again helps.
  using ReadBlock = std::function<Result<MetricRows>(const WantedSeries& wanted)>;
  using VisitBlock = std::function<Result<bool>(const MetricBlockHead& head, const ReadBlock& read)>;
  Status blocks(std::string_view run, EntryStore::Order order, const VisitBlock& visit);

  // What cannot be written is not seen, and what is written is: reading goes on after writing has failed.
  void flush() {
    if (log_ != nullptr) static_cast<void>(log_->flush().ok());
  }

 private:
  using VisitNumbered =
      std::function<Result<bool>(std::uint64_t number, const MetricBlockHead& head, const ReadBlock& read)>;
  Status walk(std::string_view run, EntryStore::Order order, std::string_view from, const VisitNumbered& visit);
  // What the functions of these names do, unless blocks are joined meanwhile.
  Result<std::vector<MetricSummary>> series_once(std::string_view run);
  Result<MetricCurve> query_once(std::string_view run, std::string_view series, const MetricRange& range);
  Result<std::vector<MetricCurve>> query_once(std::span<const std::string> runs, std::span<const std::string> series,
                                              const MetricRange& range);
  Result<std::optional<MetricPoint>> last_once(std::string_view run, std::string_view series);
  // `pass` passes each row.
  Status rows_once(std::string_view run, MetricCursor& cursor, const VisitMetricRow& pass);
  Status forget_joined(std::string_view run, MetricCursor& cursor);
  Result<MetricRows> read_block(std::string_view run, std::string_view key, const Entry& entry,
                                const WantedSeries& wanted);

  EntryStore& store_;
  MetricLog* const log_;
};

// The points in so many parts of even width, as MetricReader::downsample() gives them. By step.
std::vector<MetricBucket> bucketed(std::span<const MetricPoint> points, std::size_t buckets);

}  // namespace cairn
