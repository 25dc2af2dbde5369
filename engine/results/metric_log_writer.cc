// SPDX-License-Identifier: Apache-2.0
//
// What the log's own thread does: drain the rings, write, tell those who wait.
#include <algorithm>

#include "engine/base/background_thread.h"
#include "engine/base/errors.h"
#include "engine/results/metric_log.h"
#include "engine/results/metric_producer.h"

namespace cairn {
namespace {

// How long a row may lie in a ring that is not full. Short, so that rings stay in the cache; long, so that a store
// without metrics costs nothing.
constexpr std::chrono::milliseconds kLook{20};
// How long a store that fails is left alone.
constexpr std::chrono::milliseconds kRetry{1000};

}  // namespace

void MetricLog::run_writer() {
  become_background_thread("cairn-metrics", 0);
  auto try_again = std::chrono::steady_clock::time_point::min();
  for (;;) {
    std::unique_lock lock(mutex_);
    const auto is_asked = [&] { return is_awake_ || is_closing_ || flushes_asked_ != flushes_done_; };
    if (producers_.empty() && !is_failing_) {
      wake_.wait(lock, is_asked);
    } else {
      wake_.wait_for(lock, kLook, is_asked);
    }
    is_awake_ = false;
    const bool closes = is_closing_, is_failing = is_failing_;
    const std::uint64_t flushes = flushes_asked_;
    const bool all = closes || flushes != flushes_done_;
    lock.unlock();

    bool backed_up = !drain(true);
    const auto now = std::chrono::steady_clock::now();
    Status status;
    if (all || !is_failing || now >= try_again) {
      status = writer_.write(now, all);
      // Rows that were there when the round began: those who go on logging do not hold up who waits for it.
      while (all && backed_up && status.ok()) {
        backed_up = !drain(false);
        status = writer_.write(now, true);
      }
      if (!status.ok()) try_again = now + kRetry;
    } else {
      status = flush_status_;
    }
    // Joining only makes fewer blocks of what is written: its failure is counted, and no row depends on it.
    if (status.ok()) static_cast<void>(writer_.join(closes));

    lock.lock();
    const MetricLogStats& counts = writer_.counts();
    counts_.popped = counts.popped;
    counts_.written = counts.written;
    counts_.rows = counts.rows;
    counts_.blocks = counts.blocks;
    counts_.block_bytes = counts.block_bytes;
    counts_.joined = counts.joined;
    counts_.failures = counts.failures;
    counts_.last_error = counts.last_error;
    is_failing_ = !status.ok();
    flush_status_ = status;
    flushes_done_ = flushes;
    is_done_ = closes;
    flushed_.notify_all();
    room_.notify_all();
    if (closes) return;
  }
}

// False while there are rows of this round that the writer has no room for.
bool MetricLog::drain(bool begins) {
  std::vector<std::shared_ptr<Producer>> producers;
  {
    const std::lock_guard lock(mutex_);
    producers = producers_;
  }
  const auto now = std::chrono::steady_clock::now();
  bool all = true;
  for (const auto& producer : producers) {
    // Before the ring: whoever has ended has pushed everything.
    const bool has_ended = producer->has_ended.load(std::memory_order_acquire);
    if (begins) producer->round_end = producer->ring.end();
    const auto take = [&](const auto& next) {
      if (writer_.is_backed_up()) return false;
      writer_.take(next, producer->number, now);
      return true;
    };
    all = producer->ring.drain(producer->round_end, take) && all;
    if (!has_ended || producer->ring.used() != 0) continue;
    const std::lock_guard lock(mutex_);
    producer->add_to(counts_);
    std::erase(producers_, producer);
  }
  return all;
}

Status MetricLog::flush() {
  if (is_of_parent()) return of_parent();
  std::unique_lock lock(mutex_);
  const std::uint64_t mine = ++flushes_asked_;
  wake_.notify_one();
  flushed_.wait(lock, [&] { return flushes_done_ >= mine || is_done_; });
  return flush_status_;
}

Status MetricLog::close() {
  if (is_of_parent()) return of_parent();
  const std::lock_guard one_at_a_time(closing_);
  if (!thread_.joinable()) return flush_status_;
  {
    const std::lock_guard lock(mutex_);
    // From here on there are no new rings, and none takes a row more: what is in them now is all there is.
    for (const auto& producer : producers_) producer->ring.close();
    is_closing_ = true;
    wake_.notify_one();
    room_.notify_all();
  }
  thread_.join();
  const std::lock_guard lock(mutex_);
  for (const auto& producer : producers_) {
    producer->add_to(counts_);
    producer->is_released.store(true, std::memory_order_release);
  }
  producers_.clear();
  // A thread counts what it has pushed a moment later than this may see it.
  counts_.lost = counts_.pushed > counts_.written ? counts_.pushed - counts_.written : 0;
  return flush_status_;
}

}  // namespace cairn
