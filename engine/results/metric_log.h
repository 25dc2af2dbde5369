// SPDX-License-Identifier: Apache-2.0
//
// Logs metrics of many runs from many threads (cairn/metrics.h): each thread pushes into a ring of its own, and one
// thread drains them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "cairn/metrics.h"
#include "engine/results/entry_store.h"
#include "engine/results/metric_block_writer.h"
#include "engine/results/metric_names.h"

namespace cairn {

// Any number of threads. Nothing accepted is lost by close(), unless the store fails; the destructor closes, too.
class MetricLog {
 public:
  // Values of a row at most, and bytes of all its texts.
  static constexpr std::size_t kRowValuesMax = 512;
  static constexpr std::size_t kNameBytesMax = 256;
  static constexpr std::size_t kRowTextBytesMax = 65536;

  explicit MetricLog(EntryStore& store, const MetricLogOptions& options = {});
  ~MetricLog();
  MetricLog(const MetricLog&) = delete;
  MetricLog& operator=(const MetricLog&) = delete;

  // A run, by a number that counts within this log. 1 to 1024 bytes of name.
  Result<std::uint32_t> run(std::string_view name);
  Result<MetricSeries> series(std::uint32_t run, std::string_view name);
  // Removes what is written of a run, and says how many rows that was. conflict when run() was called for it.
  Result<std::uint64_t> remove(std::string_view run);

  // One value, at the time of the call. True when it was accepted. Takes no lock and allocates nothing but in a
  // thread's first call; waits when the ring is full and OnFull::block is asked for.
  bool push(MetricSeries series, std::int64_t step, double value) noexcept;

  // One row. overloaded when the ring has no room and it may not wait; cancelled once the log is closed. `time_ns`:
  // when, if not now.
  Status log(std::uint32_t run, std::int64_t step, std::span<const NamedMetric> values,
             std::optional<std::int64_t> time_ns = {});
  Status log(std::uint32_t run, std::int64_t step, const TrainingMetrics& metrics);
  Status log_epoch(std::uint32_t run, std::int64_t epoch, TrainingMetrics metrics);

  // Writes what this thread has logged before, and others before in time; durable once this returns. Fails when the
  // store does: what was accepted is kept and tried again.
  Status flush();
  // The same for the last time. What is logged from now on is refused. Idempotent.
  Status close();

  // MetricLogOptions::flush_rows and flush_interval, from the writer's next look on.
  void set_flush(std::size_t rows, std::chrono::milliseconds interval);
  MetricLogStats stats() const;
  EntryStore& store() const noexcept { return store_; }

 private:
  struct Producer;
  struct ThreadProducers;

  // The calling thread's; null once the log is closed.
  // In a child of the process that began the log: its thread is not there, and its rings are copies.
  bool is_of_parent() const noexcept;
  static Error of_parent();
  Producer* producer();
  Producer* new_producer();
  // Decides what becomes of a row that has no room. True: it is in the ring.
  bool push_slowly(Producer& producer, std::span<const MetricCell> row, std::size_t values, bool& is_closed);
  bool wait_for_room(Producer& producer, std::size_t cells);
  void wake();

  // --- The thread that writes ---
  void run_writer();
  bool drain(bool begins);
  void write_round(bool all, bool closes);

  EntryStore& store_;
  const MetricLogOptions options_;
  const std::uint64_t id_;  // no other log of this process has it
  const std::uint64_t fork_generation_;
  const std::chrono::steady_clock::time_point opened_;
  MetricNames names_;
  std::mutex runs_mutex_;  // nobody begins a run while it is removed

  mutable std::mutex mutex_;
  std::condition_variable wake_, room_, flushed_;
  std::vector<std::shared_ptr<Producer>> producers_;
  std::uint64_t producers_made_ = 0;
  bool is_awake_ = false;    // something asks for a round
  bool is_closing_ = false;  // no new ring
  bool is_failing_ = false;  // the last write failed
  bool is_done_ = false;
  std::uint64_t flushes_asked_ = 0, flushes_done_ = 0;
  Status flush_status_;
  MetricLogStats counts_;  // of the writer, as of its last round; with those of threads that have ended

  std::mutex closing_;
  MetricBlockWriter writer_;
  std::thread thread_;
};

}  // namespace cairn
