// SPDX-License-Identifier: Apache-2.0
//
// Metrics of a run as a database has them, stretches of one series each, and as a store has them, rows of all series:
// the one as the other, and whether two of them begin alike.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/digest.h"
#include "engine/results/metric_rows.h"
#include "replication/postgres/rows.h"

namespace cairn {

MetricKind metric_kind(postgres::MetricType type);

// The columns of a block as rows, which have one value of each series that is at the same step and time. The points of
// a series stay in their order; which of two series comes first at one time is not known, and no matter.
MetricRows merged_columns(const std::vector<postgres::MetricRow>& columns);

using SeriesId = std::pair<std::string, MetricKind>;
// How many points of each series there are, or are looked at.
using PointCounts = std::map<SeriesId, std::uint64_t>;

// Of each series the first points, as many as are to be looked at, each with those before it in one digest: two runs
// begin with the same points where these are equal. Any NaN is like another.
class RunBeginning {
 public:
  RunBeginning(DigestKind kind, const PointCounts& wanted);
  // In the order of the run's blocks.
  void add(const MetricRows& rows, const MetricColumn& column);
  void add(const postgres::MetricRow& row);
  friend bool operator==(const RunBeginning& a, const RunBeginning& b) { return a.series_ == b.series_; }

 private:
  struct Series {
    std::uint64_t left = 0;  // that are still to be looked at
    Digest chain;
    friend bool operator==(const Series&, const Series&) = default;
  };
  void add(Series& series, std::int64_t step, std::int64_t time_ns, std::uint64_t bits, std::string_view text);

  DigestKind kind_;
  std::map<SeriesId, Series> series_;
  std::vector<std::byte> point_;
};

}  // namespace cairn
