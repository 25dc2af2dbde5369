// SPDX-License-Identifier: Apache-2.0
//
// A block: rows of one run's metrics as bytes, in columns, with a head that says what is in it, so that a query passes
// over what it does not need (docs/format/metrics.md). Bytes in, bytes out; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"
#include "engine/base/bytes.h"
#include "engine/results/metric_rows.h"

namespace cairn {

// What a block holds at most. They bound the memory that a hostile block can make a reader take.
inline constexpr std::size_t kMetricBlockRowsMax = 131072;
inline constexpr std::size_t kMetricBlockColumnsMax = 4096;
inline constexpr std::size_t kMetricBlockPointsMax = 1u << 22;
inline constexpr std::size_t kMetricNameBytesMax = 1024;
inline constexpr std::size_t kMetricTextBytesMax = 4096;

// What the head says of one column. Of text there is no range; of numbers it is that of those that are numbers.
struct MetricColumnHead {
  std::string name;
  MetricKind kind = MetricKind::real;
  std::uint32_t count = 0;
  std::uint32_t nans = 0;   // of `count`
  double min = 0, max = 0;  // both 0 when nothing but NaN
  double last = 0;          // of the last row that has a value; may be NaN
  bool is_float32 = false;  // every value is one
};

struct MetricBlockHead {
  std::uint64_t bytes = 0;            // of the whole block
  std::uint64_t directory_bytes = 0;  // of them, what is in front and makes the head
  std::uint32_t rows = 0;
  std::int64_t min_step = 0, max_step = 0;  // both 0 without rows, as the times
  std::int64_t min_time_ns = 0, max_time_ns = 0;
  std::int64_t tick_ns = 1;  // every time is a multiple
  std::vector<MetricColumnHead> columns;
};

// Exact: NaNs stay NaN, everything else stays the same bits. invalid_argument when a limit is passed.
Result<std::vector<std::byte>> encode_metric_block(const MetricRows& rows);

// Reads nothing behind the head.
Result<MetricBlockHead> read_metric_block_head(Bytes block);
// The same of the block's directory alone, which is its first bytes.
Result<MetricBlockHead> read_metric_block_directory(Bytes directory);

// With `wanted`, only the columns of series for which it is true; the rows are all there.
using WantedSeries = std::function<bool(std::string_view name)>;
Result<MetricRows> decode_metric_block(Bytes block, const WantedSeries& wanted = {});

}  // namespace cairn
