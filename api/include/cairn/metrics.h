// SPDX-License-Identifier: Apache-2.0
//
// Metrics: series of values that a training or search process logs as it goes, per run, and asks for later.
//
// A row is what is logged at once: a step, a time, and values by name. The caller's thread puts it into a ring of its
// own and goes on; a thread of the store gathers rows into compressed blocks and writes them. What was accepted is
// written at flush() and close() at the latest; a crash loses at most what came since the last of flush_rows or
// flush_interval, and of each thread the newest rows only.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cairn/objects.h"
#include "cairn/result.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

// A real, an integer or a text, which is borrowed for the call.
class MetricValue {
 public:
  enum class Kind : std::uint8_t { real = 1, integer = 2, text = 3 };

  template <std::floating_point T>
  MetricValue(T value) : real_(static_cast<double>(value)) {}  // NOLINT(google-explicit-constructor)
  // Beyond 63 bits an integer is the nearest real.
  template <std::integral T>
  MetricValue(T value)  // NOLINT(google-explicit-constructor)
      : kind_(fits(value) ? Kind::integer : Kind::real),
        real_(fits(value) ? 0 : static_cast<double>(value)),
        integer_(fits(value) ? static_cast<std::int64_t>(value) : 0) {}
  template <class T>
  requires std::convertible_to<const T&, std::string_view> MetricValue(const T& value)
      : kind_(Kind::text), text_(value) {}  // NOLINT(google-explicit-constructor)

  Kind kind() const noexcept { return kind_; }
  double real() const noexcept { return real_; }
  std::int64_t integer() const noexcept { return integer_; }
  std::string_view text() const noexcept { return text_; }

 private:
  template <class T>
  static constexpr bool fits(T value) {
    if constexpr (std::is_unsigned_v<T> && sizeof(T) >= sizeof(std::int64_t)) {
      return value <= static_cast<T>(std::numeric_limits<std::int64_t>::max());
    } else {
      return true;
    }
  }

  Kind kind_ = Kind::real;
  double real_ = 0;
  std::int64_t integer_ = 0;
  std::string_view text_;
};

// Borrows its name, and its value if that is a text.
struct NamedMetric {
  std::string_view name;  // 1 to 256 bytes
  MetricValue value;      // a text has at most 4096 bytes
};

// What training usually logs; what is absent is not logged. Each is a series of the field's name.
struct TrainingMetrics {
  std::optional<std::int64_t> epoch = {};
  std::optional<std::int64_t> timestamp_ns = {};  // the row's time, since the Unix epoch; absent: now
  std::optional<double> train_loss = {}, val_loss = {};
  std::optional<double> grad_norm = {}, grad_max = {}, grad_min = {};
  std::optional<double> circuit_execution_time_ms = {};
  std::optional<std::int64_t> circuits_executed = {}, qubits_used = {}, shots_per_circuit = {};
  std::optional<std::string> backend = {};
  std::optional<double> queue_time_ms = {}, cost_usd = {}, credits_used = {};
  std::optional<double> batch_time_ms = {}, throughput_samples_per_sec = {};
  std::vector<NamedMetric> others = {};
};

// The step of what belongs to an epoch as a whole.
inline constexpr std::int64_t kEpochStep = -1;

struct MetricLogOptions {
  // A run's rows are written once there are this many, or once the oldest has waited this long.
  std::size_t flush_rows = 100;
  std::chrono::milliseconds flush_interval{10'000};
  // Single values that the ring of one thread has room for, 32 bytes each. A row of n values takes as much as
  // (n + 1) / 2 of them. Rounded up to a power of two.
  std::size_t ring_values = 16 * 1024;
  // What a push does when its ring is full. While the store fails to write, no push waits: what would have to is
  // dropped, so that training goes on.
  OnFull on_full = OnFull::block;
  // Times are rounded down to this. Finer ones cost up to two bytes a row.
  std::chrono::nanoseconds time_resolution = std::chrono::microseconds(1);
};

// A count is of values, not of rows, if nothing else is said. What is counted meanwhile may be seen in part.
struct MetricLogStats {
  std::uint64_t pushed = 0;                   // accepted
  std::uint64_t popped = 0;                   // taken out of the rings
  std::uint64_t written = 0;                  // in blocks that are committed
  std::uint64_t dropped = 0;                  // OnFull::drop, or the store was failing
  std::uint64_t refused = 0;                  // OnFull::fail
  std::uint64_t lost = 0;                     // accepted, and not written when the log was closed: the store had failed
  std::uint64_t rows = 0;                     // written
  std::uint64_t blocks = 0, block_bytes = 0;  // written, without those that only join others
  std::uint64_t joined = 0;                   // blocks that became part of another
  std::uint64_t failures = 0;                 // writes that failed; each is tried again
  std::string last_error;                     // empty: none
  std::size_t rings = 0;                      // threads that have pushed and not ended
  double utilization = 0;                     // of the fullest ring, from 0 to 1
  std::chrono::nanoseconds uptime{0};

  double drop_rate() const {
    const auto all = static_cast<double>(pushed + dropped + refused);
    return all == 0 ? 0 : static_cast<double>(dropped + refused) / all;
  }
};

// One series of one run, for pushing. A cheap handle, for the log that gave it.
class MetricSeries {
 public:
  MetricSeries() = default;  // of no series: pushing to it is refused

 private:
  friend class MetricLog;
  explicit MetricSeries(std::uint32_t id) : id_(id) {}
  std::uint32_t id_ = 0;
};

struct MetricPoint {
  std::int64_t step = 0;
  std::int64_t time_ns = 0;
  double value = 0;  // an integer as the nearest double
  friend bool operator==(const MetricPoint&, const MetricPoint&) = default;
};

// Both ends are included.
struct MetricRange {
  std::int64_t first_step = std::numeric_limits<std::int64_t>::min();
  std::int64_t last_step = std::numeric_limits<std::int64_t>::max();
};

// What was logged at once, for who reads it as it came. Borrows everything, for the call that is given it.
struct MetricRow {
  std::int64_t step = 0;
  std::int64_t time_ns = 0;
  std::span<const NamedMetric> values;
};

// Takes the next row. An error ends the walk.
using VisitMetricRow = std::function<Status(const MetricRow&)>;

// How far somebody has come who follows the rows of one run (Metrics::rows). For that run and one store; one thread at
// a time.
class MetricCursor {
 public:
  // Before the first row, or behind the first `passed` of them.
  MetricCursor() = default;
  explicit MetricCursor(std::uint64_t passed) : passed_(passed), is_told_(true) {}

  std::uint64_t passed() const noexcept { return passed_; }

 private:
  friend class MetricReader;
  struct Block {
    std::uint64_t number = 0, first_row = 0;
  };
  std::uint64_t passed_ = 0;
  bool is_told_ = false;       // not by reading: there may be fewer
  std::vector<Block> blocks_;  // that were seen and are still there, as far as known
};

// What is known of a series without its values.
struct MetricSummary {
  std::string run, series;
  bool is_text = false;  // it has texts and no numbers; of texts only the count is known
  std::uint64_t count = 0;
  std::uint64_t nans = 0;  // of them
  // Of what is not NaN; nothing when all is.
  std::optional<double> min, max;
  // Logged last, by the order of the log.
  double last = 0;
};

// A part of a series, of neighbours by step. Its extremes are those of its points: no peak is lost by drawing from
// `min` to `max`.
struct MetricBucket {
  std::int64_t first_step = 0, last_step = 0;  // of its points
  std::int64_t first_time_ns = 0, last_time_ns = 0;
  std::uint64_t count = 0;  // never 0
  std::uint64_t nans = 0;   // of them; the numbers below are of the others, and 0 when there are none
  double min = 0, max = 0, mean = 0, first = 0, last = 0;
};

// The series of one run.
struct MetricCurve {
  std::string run, series;
  std::vector<MetricPoint> points;    // of query()
  std::vector<MetricBucket> buckets;  // of downsample()
};

enum class MetricFormat : std::uint8_t {
  csv,          // RFC 4180, a header line; empty: missing
  json_lines,   // an object for each row; without the missing; NaN and infinities as texts
  parquet,      // zstd, dictionaries, statistics
  tensorboard,  // event files; import only
};

// Takes the next bytes of an export; they are valid during the call. An error ends the export.
using MetricOutput = std::function<Status(std::span<const std::byte>)>;

class EntryStore;
class MetricLog;

// One run, for logging. A cheap handle; any number of threads. Borrows its Store.
class MetricRun {
 public:
  const std::string& name() const noexcept { return name_; }

  // For push(). invalid_argument unless the name has 1 to 256 bytes.
  Result<MetricSeries> series(std::string_view name);
  // One value, now. Whether it was accepted. The quick way: no lock, and no memory but in a thread's first call.
  bool push(MetricSeries series, std::int64_t step, double value) noexcept;

  // One row of at most 512 values, now or at `time_ns`. overloaded when the ring is full and this may not wait for
  // room, cancelled once the store is closed.
  Status log(std::int64_t step, std::span<const NamedMetric> values, std::optional<std::int64_t> time_ns = {});
  Status log(std::int64_t step, std::initializer_list<NamedMetric> values);
  Status log_step(std::int64_t step, const TrainingMetrics& metrics);
  Status log_epoch(std::int64_t epoch, const TrainingMetrics& metrics);  // under kEpochStep

 private:
  friend class Metrics;
  MetricRun(MetricLog& log, std::uint32_t id, std::string name) : log_(&log), id_(id), name_(std::move(name)) {}
  MetricLog* log_;
  std::uint32_t id_;
  std::string name_;
};

// The metrics of a store. Borrows its Store; any number of threads. Queries see whatever this process has logged
// before, and what others have written.
class Metrics {
 public:
  // A run of this name, new or to be gone on with. invalid_argument when the store is open for reading only, or unless
  // the name has 1 to 1024 bytes.
  Result<MetricRun> run(std::string_view name);
  // Everything that was logged before is durable once this returns. On failure it is kept, and tried again.
  Status flush();
  // MetricLogOptions::flush_rows and flush_interval from now on, also for rows that wait already. invalid_argument when
  // the store is open for reading only.
  Status set_flush(std::size_t rows, std::chrono::milliseconds interval);
  // Of logging; all zero when the store is open for reading only.
  MetricLogStats stats() const;

  Result<std::vector<std::string>> runs();  // by name
  // not_found when there is no such run, here and below.
  Result<std::vector<MetricSummary>> series(std::string_view run);  // by name
  // Points by step, and those of one step as they were logged. None when the run has no such series.
  Result<MetricCurve> query(std::string_view run, std::string_view series, const MetricRange& range = {});
  // Each series of each run that has it.
  Result<std::vector<MetricCurve>> query(std::span<const std::string> runs, std::span<const std::string> series,
                                         const MetricRange& range = {});
  // At most `buckets` of them, of even width in steps; those without points are left out.
  Result<MetricCurve> downsample(std::string_view run, std::string_view series, std::size_t buckets,
                                 const MetricRange& range = {});
  Result<std::optional<MetricPoint>> last(std::string_view run, std::string_view series);  // logged last

  // The rows of a run as they were logged, behind those that the cursor has passed: each is passed once `visit` has
  // returned, also when something fails behind it. Nothing is read that lies before, so following a run costs what is
  // new in it. A run that was removed and has fewer rows now is followed from its first.
  Status rows(std::string_view run, MetricCursor& cursor, const VisitMetricRow& visit);

  // Removes a run with all its series; how many rows it had. Durable once this returns; gc() gives the room back. After
  // a failure the run is as it was, or, when it was very long, has its first rows only: removing it again goes on.
  // not_found when there is no such run, conflict when it was asked for by run() or imported since the store was
  // opened: it is being recorded. Whoever reads it meanwhile may see it end early.
  Result<std::uint64_t> remove(std::string_view run);

  // A table with a row for each that was logged: run, step, time_ns (in Parquet a timestamp, time), and a column for
  // each series. conflict when rows that do not fit the table's columns were logged meanwhile.
  Status export_to(std::span<const std::string> runs, MetricFormat format, const MetricOutput& output);
  // How many rows were logged: of csv with a header (columns step, time_ns and run are taken for what they say), or of
  // a tensorboard event file. Rows before an error are logged.
  Result<std::uint64_t> import_from(std::span<const std::byte> file, MetricFormat format, std::string_view run);

  // Store::metrics() does this. No log: for reading only.
  Metrics(EntryStore& entries, MetricLog* log) : entries_(&entries), log_(log) {}

 private:
  EntryStore* entries_;
  MetricLog* log_;
};

}  // namespace cairn
#pragma GCC visibility pop
