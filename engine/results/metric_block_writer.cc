// SPDX-License-Identifier: Apache-2.0
//
// Rows come in one by one, blocks of all runs go out in one write.
#include "engine/results/metric_block_writer.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>
#include <utility>

#include "engine/base/errors.h"
#include "engine/results/metric_block.h"

namespace cairn {
namespace {

// Down, also of times before the epoch.
std::int64_t round_down(std::int64_t time_ns, std::int64_t resolution_ns) {
  const std::int64_t over = time_ns % resolution_ns;
  const std::int64_t down = over < 0 ? over + resolution_ns : over;
  // The first few times of all have no multiple below them.
  return time_ns < std::numeric_limits<std::int64_t>::min() + down ? time_ns : time_ns - down;
}

}  // namespace

MetricBlockWriter::Run& MetricBlockWriter::run_of(std::uint32_t id) {
  const auto found = runs_.find(id);
  return found != runs_.end() ? found->second : runs_.emplace(id, names_.run_name(id)).first->second;
}

const MetricNames::Series* MetricBlockWriter::series_of(std::uint32_t id) {
  if (id < series_.size() && series_[id] != nullptr) return series_[id];
  const MetricNames::Series* const found = names_.find(id);
  if (found == nullptr) return nullptr;
  if (series_.size() <= id) series_.resize(id + 1);
  return series_[id] = found;
}

std::size_t MetricBlockWriter::column_of(Run& run, const MetricNames::Series& series, MetricKind kind) {
  const std::size_t at = series.place * std::size_t{4} + static_cast<std::size_t>(kind);
  if (run.columns.size() <= at) run.columns.resize(at + 4);
  if (run.columns[at] == 0) run.columns[at] = static_cast<std::uint32_t>(run.rows.column(series.name, kind) + 1);
  return run.columns[at] - 1;
}

void MetricBlockWriter::add_row(std::int64_t step, std::int64_t time_ns, std::size_t ring, Clock::time_point now) {
  counts_.popped += values_.size();
  const MetricNames::Series* const first = series_of(values_[0].tag.series);
  if (first == nullptr) return;  // no series of this log; counted as lost in the end
  Run& run = run_of(first->run);
  const std::size_t row_max = 24 + (14 + 96 + kMetricNameBytesMax) * values_.size() + texts_.size();
  if (run.rows.encoded_bytes_max() + row_max > kEntryValueBytesMax ||
      run.rows.rows() + values_.size() > kMetricBlockRowsMax ||
      run.rows.columns().size() + values_.size() > kMetricBlockColumnsMax) {
    cut(run);
  }
  if (run.rows.rows() == 0) run.oldest = now;
  run.rows.begin_row(step, round_down(time_ns, std::max<std::int64_t>(time_resolution_.count(), 1)));
  for (const Value& value : values_) {
    const MetricNames::Series* const series = series_of(value.tag.series);
    const auto kind = static_cast<MetricKind>(value.tag.kind);
    const std::size_t column = column_of(run, *series, kind);
    switch (kind) {
      case MetricKind::real: run.rows.add_real(column, std::bit_cast<double>(value.bits)); break;
      case MetricKind::integer: run.rows.add_integer(column, static_cast<std::int64_t>(value.bits)); break;
      case MetricKind::text:
        run.rows.add_text(column, std::string_view(texts_).substr(value.bits, value.text_bytes));
        break;
    }
  }
  run.keys.resize(run.rows.rows(), key_of(run, ring, time_ns));
}

std::int64_t MetricBlockWriter::key_of(Run& run, std::size_t ring, std::int64_t time_ns) {
  for (auto& [known, key] : run.rings) {
    if (known == ring) return key = std::max(key, time_ns);
  }
  run.rings.emplace_back(ring, time_ns);
  return time_ns;
}

void MetricBlockWriter::cut(Run& run) {
  if (run.rows.rows() == 0) return;
  run.rows.sort_by(run.keys);
  auto bytes = encode_metric_block(run.rows);
  CAIRN_INVARIANT(bytes.ok() && bytes->size() <= kEntryValueBytesMax);
  ready_bytes_ += bytes->size();
  run.ready.push_back({*std::move(bytes), run.rows.rows(), run.rows.points()});
  run.rows = {};
  run.columns.clear();
  run.keys.clear();
  run.rings.clear();
}

Status MetricBlockWriter::write(Clock::time_point now, bool all) {
  const auto has_waited = [&](const Run& run, Clock::duration time) {
    return run.rows.rows() != 0 && now - run.oldest >= time;
  };
  // Of many runs that log slowly each would have a write of its own: with one whose rows have waited long enough go
  // those that have waited half of it.
  const std::size_t rows = flush_rows_;
  const std::chrono::milliseconds interval = flush_interval_;
  bool some = all;
  for (const auto& [id, run] : runs_) some = some || has_waited(run, interval);
  for (auto& [id, run] : runs_) {
    if (all || run.rows.rows() >= rows || (some && has_waited(run, interval / 2))) {
      cut(run);
    }
  }
  Status status = write_ready();
  if (!status.ok()) count_failure(status.error());
  return status;
}

Status MetricBlockWriter::write_ready() {
  constexpr int kTries = 4;
  for (int conflicts = 0; ready_bytes_ != 0;) {
    Status status = write_once();
    if (status.ok()) continue;
    for (auto& [id, run] : runs_) {
      if (!run.ready.empty()) run.blocks.forget();
    }
    // Somebody else logs the same run: what they wrote has the number now, and ours gets the next.
    if (status.error().code != ErrorCode::conflict || ++conflicts == kTries) return status;
  }
  return {};
}

Status MetricBlockWriter::write_once() {
  std::vector<EntryChange> changes;
  std::vector<std::pair<Run*, std::size_t>> taken;  // how many of each run's blocks
  std::size_t bytes = 0;
  for (auto& [id, run] : runs_) {
    if (run.ready.empty()) continue;
    if (bytes >= kWriteBytesMax) break;
    if (!run.blocks.loaded()) CAIRN_CHECK(run.blocks.load(store_));
    taken.emplace_back(&run, 0);
    for (const Block& block : run.ready) {
      if (bytes >= kWriteBytesMax) break;
      bytes += block.bytes.size();
      changes.push_back(run.blocks.next_block(store_, block.bytes, taken.back().second++));
    }
  }
  CAIRN_TRY(const auto written, store_.write(std::move(changes)));
  CAIRN_CHECK(written.ticket.committed().wait());
  for (const auto& [run, count] : taken) {
    for (std::size_t i = 0; i < count; ++i) {
      const Block& block = run->ready.front();
      run->blocks.written(written.version, block.rows, block.bytes.size());
      counts_.written += block.points;
      counts_.rows += block.rows;
      ++counts_.blocks;
      counts_.block_bytes += block.bytes.size();
      ready_bytes_ -= block.bytes.size();
      run->ready.pop_front();
    }
    run->is_new = true;
  }
  return {};
}

// Those of many runs in one write: each write takes whole pages of the log, and one sync.
Status MetricBlockWriter::join(bool closes) {
  std::vector<Run*> due;
  for (auto& [id, run] : runs_) {
    // The next block's writing looks anew at what is not known.
    const bool is_due = std::exchange(run.is_new, false) || closes;
    if (is_due && run.blocks.loaded()) due.push_back(&run);
  }
  Status first;
  const auto failed = [&](const Error& error) {
    count_failure(error);
    if (first.ok()) first = error;
  };
  while (!due.empty()) {
    std::vector<Run*> more;  // that may have something to join still
    std::vector<std::pair<Run*, MetricBlocks::Join>> joins;
    std::vector<EntryChange> changes;
    std::size_t bytes = 0;
    for (Run* const run : due) {
      if (bytes >= kWriteBytesMax) {
        more.push_back(run);
        continue;
      }
      auto join = run->blocks.next_join(store_, MetricBlocks::kJoined);
      if (join.ok() && join->count == 0 && closes) join = run->blocks.next_join(store_, 2);
      if (!join.ok()) {
        failed(join.error());
      } else if (join->count != 0) {
        bytes += join->bytes;
        std::ranges::move(join->changes, std::back_inserter(changes));
        joins.emplace_back(run, *std::move(join));
      }
    }
    if (!joins.empty()) {
      if (Status written = write_joins(joins, std::move(changes)); !written.ok()) {
        failed(written.error());
      } else {
        for (const auto& [run, join] : joins) more.push_back(run);
      }
    }
    due = std::move(more);
  }
  return first;
}

Status MetricBlockWriter::write_joins(const std::vector<std::pair<Run*, MetricBlocks::Join>>& joins,
                                      std::vector<EntryChange> changes) {
  const auto written = [&]() -> Result<std::uint64_t> {
    CAIRN_TRY(const auto accepted, store_.write(std::move(changes)));
    CAIRN_CHECK(accepted.ticket.committed().wait());
    return accepted.version;
  }();
  for (const auto& [run, join] : joins) {
    if (!written.ok()) {
      run->blocks.forget();  // somebody else may have written one of them
    } else {
      run->blocks.joined(join, *written);
      counts_.joined += join.count;
    }
  }
  return written.ok() ? Status() : Status(written.error());
}

}  // namespace cairn
