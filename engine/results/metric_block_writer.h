// SPDX-License-Identifier: Apache-2.0
//
// Gathers rows of many runs, and writes each run's as blocks.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "cairn/metrics.h"
#include "engine/results/metric_blocks.h"
#include "engine/results/metric_names.h"
#include "engine/results/metric_ring.h"
#include "engine/results/metric_rows.h"

namespace cairn {

// Belongs to one thread. What cannot be written is kept and tried again with the next write().
class MetricBlockWriter {
 public:
  using Clock = std::chrono::steady_clock;

  MetricBlockWriter(EntryStore& store, const MetricNames& names, const MetricLogOptions& options)
      : store_(store), names_(names), time_resolution_(options.time_resolution) {
    set_flush(options.flush_rows, options.flush_interval);
  }
  // MetricLogOptions::flush_rows and flush_interval from now on. Any thread.
  void set_flush(std::size_t rows, std::chrono::milliseconds interval) noexcept {
    flush_rows_ = rows;
    // What is far beyond a process's life is as good, and can be counted in nanoseconds.
    flush_interval_ =
        std::clamp<std::chrono::milliseconds>(interval, std::chrono::milliseconds(0), std::chrono::hours(24 * 365));
  }

  // A row out of a ring (metric_ring.h), which next() gives cell by cell.
  template <class Next>
  void take(const Next& next, std::size_t ring, Clock::time_point now);

  // So much is not written that no more should be taken, before a write() has succeeded.
  bool is_backed_up() const noexcept { return ready_bytes_ > kReadyBytesMax; }

  // Writes what is due: of runs with enough rows, or with rows that have waited long enough; with `all`, everything.
  // One commit makes all of it durable, unless it is much.
  Status write(Clock::time_point now, bool all);
  // Makes many small blocks few, of runs that have been written since the last call. When the log is closed, all that
  // are small.
  Status join(bool closes);

  // Counts of what this does; `lost` is what write() has not written.
  const MetricLogStats& counts() const noexcept { return counts_; }
  std::uint64_t unwritten() const noexcept { return counts_.popped - counts_.written; }
  void count_failure(const Error& error) {
    ++counts_.failures;
    counts_.last_error = error.message;
  }

 private:
  static constexpr std::size_t kReadyBytesMax = 8 * MiB;
  static constexpr std::size_t kWriteBytesMax = 4 * MiB;

  struct Value {
    MetricTag tag;
    std::uint64_t bits = 0;  // of a text, where it is in texts_
    std::size_t text_bytes = 0;
  };
  struct Block {
    std::vector<std::byte> bytes;
    std::uint64_t rows = 0, points = 0;
  };
  struct Run {
    explicit Run(const std::string& name) : blocks(name) {}
    MetricBlocks blocks;
    MetricRows rows;
    // Columns of `rows`, plus one, by the series' place and the kind.
    std::vector<std::uint32_t> columns;
    // Of each of `rows`, the latest time that its ring had in the block by then: by it the rows of several threads are
    // put into one order, which keeps that of each, also when somebody sets the clock back.
    std::vector<std::int64_t> keys;
    std::vector<std::pair<std::size_t, std::int64_t>> rings;  // that rows are from, and the last key of each
    Clock::time_point oldest;
    std::deque<Block> ready;
    bool is_new = false;  // written since the last join()
  };

  void add_row(std::int64_t step, std::int64_t time_ns, std::size_t ring, Clock::time_point now);
  static std::int64_t key_of(Run& run, std::size_t ring, std::int64_t time_ns);
  std::size_t column_of(Run& run, const MetricNames::Series& series, MetricKind kind);
  Run& run_of(std::uint32_t id);
  // Null when this log has no such series.
  const MetricNames::Series* series_of(std::uint32_t id);
  // Turns the run's rows into a block that is ready to be written.
  void cut(Run& run);
  Status write_ready();
  Status write_once();
  Status write_joins(const std::vector<std::pair<Run*, MetricBlocks::Join>>& joins, std::vector<EntryChange> changes);

  EntryStore& store_;
  const MetricNames& names_;
  const std::chrono::nanoseconds time_resolution_;
  std::atomic<std::size_t> flush_rows_;
  std::atomic<std::chrono::milliseconds> flush_interval_;
  std::map<std::uint32_t, Run> runs_;
  std::vector<const MetricNames::Series*> series_;  // that were looked up before, by number
  std::size_t ready_bytes_ = 0;
  MetricLogStats counts_;
  // Of the row at hand.
  std::vector<Value> values_;
  std::string texts_;
};

template <class Next>
void MetricBlockWriter::take(const Next& next, std::size_t ring, Clock::time_point now) {
  const MetricCell start = next();
  values_.clear();
  texts_.clear();
  MetricTag tag;
  do {
    const MetricCell cell = next();
    tag = MetricTag::of(cell.first);
    Value value{.tag = tag, .bits = cell.second};
    if (tag.kind == static_cast<std::uint8_t>(MetricKind::text)) {
      value = {.tag = tag, .bits = texts_.size(), .text_bytes = cell.second};
      for (std::uint64_t read = 0; read < value.text_bytes; read += sizeof(MetricCell)) {
        const MetricCell bytes = next();
        texts_.append(reinterpret_cast<const char*>(&bytes),
                      std::min<std::size_t>(sizeof(bytes), value.text_bytes - read));
      }
    }
    values_.push_back(value);
  } while (tag.left > 1);
  add_row(static_cast<std::int64_t>(start.first), static_cast<std::int64_t>(start.second), ring, now);
}

}  // namespace cairn
