// SPDX-License-Identifier: Apache-2.0
//
// Metrics out of the store: CSV, JSON Lines and Parquet; and into it: CSV and TensorBoard's event files.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cairn/metrics.h"
#include "engine/base/bytes.h"
#include "engine/results/metric_log.h"
#include "engine/results/metric_reader.h"

namespace cairn {

// A table of all rows of the runs, run by run as they were logged. Columns: run, step, time_ns (in Parquet a timestamp,
// time), and the series by name. Memory is bounded by a group of rows. Numbers come back exactly from what is written.
Status export_metrics(MetricReader& reader, std::span<const std::string> runs, MetricFormat format,
                      const MetricOutput& output);

// Logs what is in a file. Nothing is logged of a row that is refused, with the error; rows before it are logged.
// Returns how many rows there were. The log is not flushed.

// A header line is needed. A column `step` has integers (without it, rows are numbered from 0), `time_ns` too (without:
// now), `run` names the run of its row instead of `run`. In other columns, what is a number is one, what is empty is
// missing, and the rest are texts.
Result<std::uint64_t> import_csv(std::string_view text, std::string_view run, MetricLog& log);

// The scalars of an event file, tags as series: those of TensorFlow 1 and those that are tensors of one float or
// double. What breaks off in the middle, as the file of a process that runs or was killed does, ends before that; what
// is damaged is an error.
Result<std::uint64_t> import_tensorboard(Bytes file, std::string_view run, MetricLog& log);

}  // namespace cairn
