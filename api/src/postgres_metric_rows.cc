// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_metric_rows.h"

#include <bit>
#include <cmath>
#include <limits>
#include <queue>
#include <tuple>

#include "engine/base/endian.h"
#include "engine/content/digester.h"

namespace cairn {
namespace {

using postgres::MetricRow;
using postgres::MetricType;

std::uint64_t bits_of(double value) {
  return std::bit_cast<std::uint64_t>(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value);
}

}  // namespace

MetricKind metric_kind(MetricType type) {
  switch (type) {
    case MetricType::real: return MetricKind::real;
    case MetricType::integer: return MetricKind::integer;
    case MetricType::text: break;
  }
  return MetricKind::text;
}

MetricRows merged_columns(const std::vector<MetricRow>& parts) {
  struct Head {
    std::int64_t time_ns = 0, step = 0;
    std::size_t part = 0, point = 0;
    auto key() const { return std::tuple(time_ns, step, part); }
    bool operator<(const Head& other) const { return key() > other.key(); }  // the least is on top
  };
  MetricRows rows;
  std::vector<std::size_t> columns;
  std::priority_queue<Head> heads;
  const auto push = [&](std::size_t part, std::size_t point) {
    if (point == parts[part].steps.size()) return;
    heads.push({parts[part].times_ns[point], parts[part].steps[point], part, point});
  };
  for (std::size_t i = 0; i < parts.size(); ++i) {
    columns.push_back(rows.column(parts[i].series, metric_kind(parts[i].type)));
    push(i, 0);
  }
  std::vector<Head> row;
  while (!heads.empty()) {
    row.clear();
    const Head first = heads.top();
    rows.begin_row(first.step, first.time_ns);
    while (!heads.empty() && heads.top().time_ns == first.time_ns && heads.top().step == first.step) {
      row.push_back(heads.top());
      heads.pop();
    }
    for (const Head& head : row) {
      const MetricRow& part = parts[head.part];
      switch (part.type) {
        case MetricType::real: rows.add_real(columns[head.part], part.reals[head.point]); break;
        case MetricType::integer: rows.add_integer(columns[head.part], part.integers[head.point]); break;
        case MetricType::text: rows.add_text(columns[head.part], part.texts[head.point]); break;
      }
      push(head.part, head.point + 1);
    }
  }
  return rows;
}

RunBeginning::RunBeginning(DigestKind kind, const PointCounts& wanted) : kind_(kind) {
  for (const auto& [id, count] : wanted) series_[id].left = count;
}

void RunBeginning::add(const MetricRows& rows, const MetricColumn& column) {
  Series& series = series_[{column.name, column.kind}];
  for (std::size_t i = 0; i < column.count() && series.left > 0; ++i) {
    const std::uint32_t row = column.rows[i];
    std::string_view text;
    std::uint64_t bits = 0;
    switch (column.kind) {
      case MetricKind::real: bits = bits_of(column.reals[i]); break;
      case MetricKind::integer: bits = static_cast<std::uint64_t>(column.integers[i]); break;
      case MetricKind::text: text = column.dictionary[column.texts[i]]; break;
    }
    add(series, rows.steps()[row], rows.times_ns()[row], bits, text);
  }
}

void RunBeginning::add(const MetricRow& row) {
  Series& series = series_[{row.series, metric_kind(row.type)}];
  for (std::size_t i = 0; i < row.steps.size() && series.left > 0; ++i) {
    std::string_view text;
    std::uint64_t bits = 0;
    switch (row.type) {
      case MetricType::real: bits = bits_of(row.reals[i]); break;
      case MetricType::integer: bits = static_cast<std::uint64_t>(row.integers[i]); break;
      case MetricType::text: text = row.texts[i]; break;
    }
    add(series, row.steps[i], row.times_ns[i], bits, text);
  }
}

void RunBeginning::add(Series& series, std::int64_t step, std::int64_t time_ns, std::uint64_t bits,
                       std::string_view text) {
  point_.clear();
  ByteWriter out(point_);
  out.put_bytes(series.chain.bytes);
  out.put(static_cast<std::uint64_t>(step));
  out.put(static_cast<std::uint64_t>(time_ns));
  out.put(bits);
  out.put_bytes(as_bytes(text));
  series.chain = digest_of(kind_, point_);
  --series.left;
}

}  // namespace cairn
#endif
