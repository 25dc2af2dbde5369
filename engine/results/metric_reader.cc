// SPDX-License-Identifier: Apache-2.0
//
// Queries walk over a run's blocks by their heads.
#include "engine/results/metric_reader.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "engine/base/errors.h"
#include "engine/results/entry_key.h"
#include "engine/results/metric_blocks.h"

namespace cairn {
namespace {

bool has_numbers(const MetricBlockHead& head, std::string_view series) {
  return std::ranges::any_of(head.columns, [&](const MetricColumnHead& column) {
    return column.name == series && column.kind != MetricKind::text;
  });
}

// The numbers of `series`, row by row. A row has one of them, whether integer or real.
void append_points(const MetricRows& rows, std::string_view series, const MetricRange& range,
                   std::vector<MetricPoint>& points) {
  const std::size_t first = points.size();
  std::vector<std::uint32_t> places;
  for (const MetricColumn& column : rows.columns()) {
    if (column.name != series || column.kind == MetricKind::text) continue;
    const std::size_t middle = places.size();
    for (std::size_t i = 0; i < column.count(); ++i) {
      const std::uint32_t row = column.rows[i];
      const std::int64_t step = rows.steps()[row];
      if (step < range.first_step || step > range.last_step) continue;
      points.push_back({.step = step, .time_ns = rows.times_ns()[row], .value = column.number(i)});
      places.push_back(row);
    }
    if (middle == 0) continue;
    // Two kinds in one block: by row, which both are already.
    std::vector<std::size_t> order(places.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return places[i]; });
    std::vector<MetricPoint> sorted;
    sorted.reserve(order.size());
    for (const std::size_t i : order) sorted.push_back(points[first + i]);
    std::ranges::copy(sorted, points.begin() + static_cast<std::ptrdiff_t>(first));
    std::ranges::sort(places);
  }
}

void sort_by_step(std::vector<MetricPoint>& points) {
  const auto by_step = [](const MetricPoint& a, const MetricPoint& b) { return a.step < b.step; };
  if (!std::ranges::is_sorted(points, by_step)) std::ranges::stable_sort(points, by_step);
}

void add_column(const MetricColumnHead& column, MetricSummary& summary) {
  const bool is_text = column.kind == MetricKind::text;
  summary.is_text = summary.is_text || (is_text && summary.count == 0);
  if (!is_text && summary.is_text) {  // numbers are what is told of
    summary.is_text = false;
    summary.count = 0;
  }
  if (is_text != summary.is_text) return;
  summary.count += column.count;
  summary.nans += column.nans;
  if (is_text) return;
  summary.last = column.last;
  if (column.nans == column.count) return;
  summary.min = summary.min ? std::min(*summary.min, column.min) : column.min;
  summary.max = summary.max ? std::max(*summary.max, column.max) : column.max;
}

std::size_t number_columns(const MetricBlockHead& head, std::string_view series) {
  return static_cast<std::size_t>(std::ranges::count_if(head.columns, [&](const MetricColumnHead& column) {
    return column.name == series && column.kind != MetricKind::text;
  }));
}

MetricValue value_of(const MetricColumn& column, std::size_t i) {
  switch (column.kind) {
    case MetricKind::integer: return column.integers[i];
    case MetricKind::text: return column.dictionary[column.texts[i]];
    case MetricKind::real: break;
  }
  return column.reals[i];
}

// Row by row from `first` on, each with its values in the order of the columns.
Status visit_rows(const MetricRows& rows, std::uint32_t first, const VisitMetricRow& visit) {
  std::vector<std::size_t> next;  // of each column, its first value that belongs to no row before
  for (const MetricColumn& column : rows.columns()) {
    next.push_back(static_cast<std::size_t>(std::ranges::lower_bound(column.rows, first) - column.rows.begin()));
  }
  std::vector<NamedMetric> values;
  for (std::uint32_t row = first; row < rows.rows(); ++row) {
    values.clear();
    for (std::size_t i = 0; i < next.size(); ++i) {
      const MetricColumn& column = rows.columns()[i];
      if (next[i] == column.count() || column.rows[next[i]] != row) continue;
      values.push_back({column.name, value_of(column, next[i]++)});
    }
    CAIRN_CHECK(visit({.step = rows.steps()[row], .time_ns = rows.times_ns()[row], .values = values}));
  }
  return {};
}

std::uint64_t number_of(std::string_view key) {
  EntryKeyReader reader(key);
  static_cast<void>(reader.text());
  return reader.number().value_or(0);
}

std::string block_name(std::string_view run, std::string_view key) {
  return "run " + std::string(run) + ", block " + std::to_string(number_of(key));
}

Error joined_meanwhile(const std::string& what) {
  Error joined = make_error(ErrorCode::conflict, what + " was joined to others while it was read");
  joined.retryable = true;
  return joined;
}

// Joining goes on beside reading: what was gathered from blocks that are no more is of no use, and all is read anew.
constexpr int kTries = 16;
template <class Read>
auto read_again(const Read& read) {
  for (int tried = 1;; ++tried) {
    auto result = read();
    if (result.ok() || result.error().code != ErrorCode::conflict || tried == kTries) return result;
  }
}

Result<std::optional<MetricPoint>> last_of_block(const MetricReader::ReadBlock& read, std::string_view series) {
  CAIRN_TRY(const MetricRows rows, read([&](std::string_view name) { return name == series; }));
  std::vector<MetricPoint> points;
  append_points(rows, series, {}, points);
  return points.empty() ? std::optional<MetricPoint>() : points.back();
}

}  // namespace

Status MetricReader::walk(std::string_view run, EntryStore::Order order, std::string_view from,
                          const VisitNumbered& visit) {
  bool is_there = false;
  const auto visit_entry = [&](std::string_view key, const Entry& entry) -> Result<bool> {
    is_there = true;
    const auto read = [&](const WantedSeries& wanted) { return read_block(run, key, entry, wanted); };
    auto head = metric_block_head(entry);
    if (head.ok()) return visit(number_of(key), *head, read);
    return std::move(head).error().with_context(block_name(run, key));
  };
  CAIRN_CHECK(store_.scan(metric_run_prefix(run), order, from, visit_entry));
  if (is_there) return {};
  return make_error(ErrorCode::not_found, "no metrics of a run " + std::string(run));
}

Status MetricReader::blocks(std::string_view run, EntryStore::Order order, const VisitBlock& visit) {
  return walk(run, order, {},
              [&](std::uint64_t, const MetricBlockHead& head, const ReadBlock& read) { return visit(head, read); });
}

Result<MetricRows> MetricReader::read_block(std::string_view run, std::string_view key, const Entry& entry,
                                            const WantedSeries& wanted) {
  const auto block = metric_block_bytes(store_, entry);
  if (block.ok()) return decode_metric_block(as_bytes(*block), wanted);
  if (block.error().code != ErrorCode::not_found) return Error(block.error()).with_context(block_name(run, key));
  // Content goes with its entry.
  CAIRN_TRY(const auto now, store_.find(key));
  if (now && now->version == entry.version) {
    return make_error(ErrorCode::corruption, block_name(run, key) + ": " + block.error().message);
  }
  return joined_meanwhile(block_name(run, key));
}

Result<std::vector<std::string>> MetricReader::runs() {
  flush();
  std::vector<std::string> names;
  const auto visit = [&](std::string_view index_key, std::string_view) -> Result<bool> {
    EntryKeyReader reader(index_key);
    auto name = reader.text();
    if (!name) return make_error(ErrorCode::corruption, "an index key of metrics has no run");
    names.push_back(*std::move(name));
    return true;
  };
  CAIRN_CHECK(store_.scan_index(EntryKey(EntrySpace::metrics).bytes(), EntryStore::Order::ascending, {}, visit));
  return names;
}

Result<std::vector<MetricSummary>> MetricReader::series(std::string_view run) {
  flush();
  return read_again([&] { return series_once(run); });
}

Result<std::vector<MetricSummary>> MetricReader::series_once(std::string_view run) {
  std::map<std::string, MetricSummary> by_name;
  const auto visit = [&](const MetricBlockHead& head, const ReadBlock& read) -> Result<bool> {
    for (const MetricColumnHead& column : head.columns) {
      MetricSummary& summary = by_name[column.name];
      summary.run = run;
      summary.series = column.name;
      add_column(column, summary);
      // Which kind came last is in the rows only.
      if (number_columns(head, column.name) < 2) continue;
      CAIRN_TRY(const auto point, last_of_block(read, column.name));
      if (point) summary.last = point->value;
    }
    return true;
  };
  CAIRN_CHECK(blocks(run, EntryStore::Order::ascending, visit));
  std::vector<MetricSummary> all;
  for (auto& [name, summary] : by_name) all.push_back(std::move(summary));
  return all;
}

Result<std::optional<MetricSummary>> MetricReader::summary(std::string_view run, std::string_view name) {
  CAIRN_TRY(const auto all, series(run));
  const auto found = std::ranges::find(all, name, &MetricSummary::series);
  return found == all.end() ? std::optional<MetricSummary>() : *found;
}

Result<MetricCurve> MetricReader::query(std::string_view run, std::string_view series, const MetricRange& range) {
  flush();
  return read_again([&] { return query_once(run, series, range); });
}

Result<MetricCurve> MetricReader::query_once(std::string_view run, std::string_view series, const MetricRange& range) {
  MetricCurve curve{.run = std::string(run), .series = std::string(series), .points = {}, .buckets = {}};
  const auto visit = [&](const MetricBlockHead& head, const ReadBlock& read) -> Result<bool> {
    if (head.max_step < range.first_step || head.min_step > range.last_step || !has_numbers(head, series)) return true;
    CAIRN_TRY(const MetricRows rows, read([&](std::string_view name) { return name == series; }));
    append_points(rows, series, range, curve.points);
    return true;
  };
  CAIRN_CHECK(blocks(run, EntryStore::Order::ascending, visit));
  sort_by_step(curve.points);
  return curve;
}

Result<std::vector<MetricCurve>> MetricReader::query(std::span<const std::string> runs,
                                                     std::span<const std::string> series, const MetricRange& range) {
  flush();
  return read_again([&] { return query_once(runs, series, range); });
}

Result<std::vector<MetricCurve>> MetricReader::query_once(std::span<const std::string> runs,
                                                          std::span<const std::string> series,
                                                          const MetricRange& range) {
  std::vector<MetricCurve> curves;
  for (const std::string& run : runs) {
    const std::size_t first = curves.size();
    for (const std::string& name : series) curves.push_back({.run = run, .series = name, .points = {}, .buckets = {}});
    const auto is_wanted = [&](std::string_view name) { return std::ranges::find(series, name) != series.end(); };
    const auto visit = [&](const MetricBlockHead& head, const ReadBlock& read) -> Result<bool> {
      if (head.max_step < range.first_step || head.min_step > range.last_step) return true;
      if (std::ranges::none_of(head.columns, [&](const auto& column) { return is_wanted(column.name); })) return true;
      CAIRN_TRY(const MetricRows rows, read(is_wanted));
      for (std::size_t i = first; i < curves.size(); ++i) {
        append_points(rows, curves[i].series, range, curves[i].points);
      }
      return true;
    };
    CAIRN_CHECK(blocks(run, EntryStore::Order::ascending, visit));
  }
  std::erase_if(curves, [](const MetricCurve& curve) { return curve.points.empty(); });
  for (MetricCurve& curve : curves) sort_by_step(curve.points);
  return curves;
}

Result<MetricCurve> MetricReader::downsample(std::string_view run, std::string_view series, std::size_t buckets,
                                             const MetricRange& range) {
  if (buckets == 0) return make_error(ErrorCode::invalid_argument, "a series cannot be parted into 0 buckets");
  CAIRN_TRY(MetricCurve curve, query(run, series, range));
  curve.buckets = bucketed(curve.points, buckets);
  curve.points.clear();
  return curve;
}

Result<std::optional<MetricPoint>> MetricReader::last(std::string_view run, std::string_view series) {
  flush();
  return read_again([&] { return last_once(run, series); });
}

Result<std::optional<MetricPoint>> MetricReader::last_once(std::string_view run, std::string_view series) {
  std::optional<MetricPoint> found;
  const auto visit = [&](const MetricBlockHead& head, const ReadBlock& read) -> Result<bool> {
    if (!has_numbers(head, series)) return true;
    CAIRN_TRY(found, last_of_block(read, series));
    return !found;
  };
  CAIRN_CHECK(blocks(run, EntryStore::Order::descending, visit));
  return found;
}

Status MetricReader::rows(std::string_view run, const WantedSeries& wanted, const VisitRows& visit) {
  flush();
  const auto visit_block = [&](const MetricBlockHead&, const ReadBlock& read) -> Result<bool> {
    CAIRN_TRY(const MetricRows rows, read(wanted));
    CAIRN_CHECK(visit(rows));
    return true;
  };
  return blocks(run, EntryStore::Order::ascending, visit_block);
}

Status MetricReader::rows_behind(std::string_view run, MetricCursor& cursor, const VisitMetricRow& visit) {
  flush();
  bool has_ended = false;  // by the visitor, whose error may be any
  const auto pass = [&](const MetricRow& row) -> Status {
    Status visited = visit(row);
    if (visited.ok()) {
      ++cursor.passed_;
    } else {
      has_ended = true;
    }
    return visited;
  };
  for (int tried = 1;; ++tried) {
    Status status = rows_once(run, cursor, pass);
    const bool is_over = status.ok() || has_ended || status.error().code != ErrorCode::conflict;
    if (is_over || tried == kTries) return status;
  }
}

// Where a block begins never changes: joining gives its number to all that it is joined with, and the rows before it
// stay before it. So the last block that was seen, or what it has become part of, is where to go on.
Status MetricReader::rows_once(std::string_view run, MetricCursor& cursor, const VisitMetricRow& pass) {
  auto& known = cursor.blocks_;
  CAIRN_CHECK(forget_joined(run, cursor));
  const std::string from = known.empty() ? std::string() : metric_block_key(run, known.back().number);
  std::uint64_t seen = known.empty() ? 0 : known.back().first_row;
  bool is_first = true;
  const auto visit_block = [&](std::uint64_t number, const MetricBlockHead& head,
                               const ReadBlock& read) -> Result<bool> {
    if (std::exchange(is_first, false) && !known.empty() && known.back().number != number) {
      return joined_meanwhile("run " + std::string(run));
    }
    if (known.empty() || known.back().number < number) known.push_back({number, seen});
    const std::uint64_t first = seen;
    seen += head.rows;
    if (seen <= cursor.passed_) return true;
    CAIRN_TRY(const MetricRows rows, read({}));
    const std::uint64_t behind = cursor.passed_ > first ? cursor.passed_ - first : 0;
    CAIRN_CHECK(visit_rows(rows, static_cast<std::uint32_t>(behind), pass));
    return true;
  };
  CAIRN_CHECK(walk(run, EntryStore::Order::ascending, from, visit_block));
  if (seen >= cursor.passed_ || cursor.is_told_) return {};
  cursor = {};  // it was removed, and begun anew
  return rows_once(run, cursor, pass);
}

// Of the blocks that the cursor knows, those behind what is now the last of them are part of it.
Status MetricReader::forget_joined(std::string_view run, MetricCursor& cursor) {
  auto& known = cursor.blocks_;
  if (known.empty()) return {};
  std::optional<std::uint64_t> last;
  const auto visit = [&](std::string_view key, const Entry&) -> Result<bool> {
    last = number_of(key);
    return false;
  };
  const std::string from = metric_block_key(run, known.back().number);
  CAIRN_CHECK(store_.scan(metric_run_prefix(run), EntryStore::Order::descending, from, visit));
  while (!known.empty() && (!last || known.back().number > *last)) known.pop_back();
  if (known.empty() || known.back().number != *last) cursor = {};  // it was removed
  return {};
}

std::vector<MetricBucket> bucketed(std::span<const MetricPoint> points, std::size_t buckets) {
  std::vector<MetricBucket> parts;
  if (points.empty() || buckets == 0) return parts;
  const auto first_step = static_cast<std::uint64_t>(points.front().step);
  const std::uint64_t width = (static_cast<std::uint64_t>(points.back().step) - first_step) / buckets + 1;
  std::uint64_t at = 0;  // a width of 0 is one of 2^64: everything is in one
  for (const MetricPoint& point : points) {
    const std::uint64_t place = width == 0 ? 0 : (static_cast<std::uint64_t>(point.step) - first_step) / width;
    if (parts.empty() || place != at) {
      at = place;
      parts.push_back({.first_step = point.step, .first_time_ns = point.time_ns});
    }
    MetricBucket& part = parts.back();
    ++part.count;
    part.last_step = point.step;
    part.last_time_ns = point.time_ns;
    if (std::isnan(point.value)) {
      ++part.nans;
      continue;
    }
    const auto numbers = static_cast<double>(part.count - part.nans);
    const bool is_first = numbers == 1;
    part.min = is_first ? point.value : std::min(part.min, point.value);
    part.max = is_first ? point.value : std::max(part.max, point.value);
    if (is_first) part.first = point.value;
    part.last = point.value;
    part.mean += point.value;  // the sum, until all are there
  }
  for (MetricBucket& part : parts) {
    if (part.nans != part.count) part.mean /= static_cast<double>(part.count - part.nans);
  }
  return parts;
}

}  // namespace cairn
