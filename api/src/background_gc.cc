// SPDX-License-Identifier: Apache-2.0
#include "api/src/background_gc.h"

#include <algorithm>
#include <optional>
#include <system_error>

#include "api/src/gc_run.h"
#include "engine/base/background_thread.h"
#include "engine/base/errors.h"

namespace cairn {

Status BackgroundGc::start(int nice) {
  try {
    thread_ = std::thread([this, nice] { run(nice); });
  } catch (const std::system_error&) {
    return make_error(ErrorCode::resource_exhausted, "reclaiming: the system starts no more threads");
  }
  return {};
}

void BackgroundGc::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void BackgroundGc::pause() {
  std::unique_lock lock(mutex_);
  ++pauses_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return !running_; });
}

void BackgroundGc::resume() {
  {
    const std::lock_guard lock(mutex_);
    if (pauses_ > 0) --pauses_;
  }
  changed_.notify_all();
}

ReclaimStats BackgroundGc::stats() const {
  const std::lock_guard lock(mutex_);
  ReclaimStats stats = stats_;
  stats.paused = pauses_ > 0;
  return stats;
}

void BackgroundGc::run(int nice) {
  become_background_thread("cairn-reclaim", nice);
  Position seen;  // nothing dies without a record that says so
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, options_.interval, [&] { return stopping_; });
    if (stopping_) return;
    if (pauses_ > 0) {
      changed_.wait(lock, [&] { return stopping_ || pauses_ == 0; });
      if (stopping_) return;
      seen = {};
    }
    const Position now = store_.index().applied();
    if (seen == now) continue;
    seen = now;
    running_ = true;
    lock.unlock();
    const auto max_dead = wanted();
    lock.lock();
    if (!max_dead.ok()) {
      note_failure(max_dead.error());
    } else if (*max_dead) {
      reclaim(lock, **max_dead);
    }
    // What ended early is tried again, whether or not something is written meanwhile.
    if (!stats_.error.empty() || pauses_ > 0) seen = {};
    running_ = false;
    changed_.notify_all();
  }
}

Result<bool> BackgroundGc::is_above_mark() const {
  const std::uint64_t budget = store_.room()->budget();
  if (budget == 0) return false;
  CAIRN_TRY(const std::uint64_t use, disk_use(store_.fs(), store_.layout().folder));
  return static_cast<double>(use) > options_.low_water * static_cast<double>(budget);
}

Result<std::optional<double>> BackgroundGc::wanted() const {
  CAIRN_TRY(const auto uses, store_.index().segment_uses());
  std::uint64_t record_bytes = 0, dead_bytes = 0, free_bytes = 0;
  for (const auto& [segment, use] : uses) {
    record_bytes += use.record_bytes;
    dead_bytes += use.dead_bytes();
    // Nothing has to be copied for it. The last segment is still written to.
    if (use.dead_bytes() == use.record_bytes && segment != uses.rbegin()->first) free_bytes += use.record_bytes;
  }
  const std::uint64_t enough = std::max<std::uint64_t>(options_.min_dead_bytes, 1);
  const bool too_much = static_cast<double>(dead_bytes) > options_.max_dead * static_cast<double>(record_bytes);
  if (dead_bytes >= std::min(enough, std::max<std::uint64_t>(store_.room()->budget() / 64, 1))) {
    CAIRN_TRY(const bool above, is_above_mark());
    if (above) return std::optional(0.0);
  }
  const bool worth_it = free_bytes >= enough || (too_much && dead_bytes >= enough);
  return worth_it ? std::optional(options_.max_dead) : std::nullopt;
}

void BackgroundGc::reclaim(std::unique_lock<std::mutex>& lock, double max_dead) {
  ++stats_.runs;
  lock.unlock();
  std::optional<GcRun> run(std::in_place, store_, max_dead);
  lock.lock();
  ReclaimCounters before;
  while (!stopping_ && pauses_ == 0) {
    lock.unlock();
    const Clock::time_point began = Clock::now();
    const auto more = run->step();
    const Clock::duration took = Clock::now() - began;
    const ReclaimCounters now = run->counters();
    lock.lock();
    stats_.freed_bytes += now.freed_bytes - before.freed_bytes;
    stats_.moved_bytes += now.moved_bytes - before.moved_bytes;
    stats_.segments += now.segments - before.segments;
    stats_.longest_step = std::max<std::chrono::nanoseconds>(stats_.longest_step, took);
    if (!more.ok() || !*more) stats_.damaged = run->damaged();
    if (!more.ok()) return note_failure(more.error());
    if (!*more) break;
    if (max_dead < options_.max_dead) {
      lock.unlock();
      const auto above = is_above_mark();
      lock.lock();
      if (!above.ok()) return note_failure(above.error());
      if (!*above) break;
    }
    const Clock::duration rest = rest_after(took, now.moved_bytes - before.moved_bytes);
    before = now;
    changed_.wait_for(lock, rest, [&] { return stopping_ || pauses_ > 0; });
  }
  stats_.error.clear();
}

// Half of the log's turns at most.
BackgroundGc::Clock::duration BackgroundGc::rest_after(Clock::duration took, std::uint64_t moved_bytes) const {
  if (options_.bytes_per_second == 0) return took;
  const std::chrono::duration<double> due(static_cast<double>(moved_bytes) /
                                          static_cast<double>(options_.bytes_per_second));
  return std::max(took, std::chrono::duration_cast<Clock::duration>(due) - took);
}

void BackgroundGc::note_failure(const Error& error) {
  ++stats_.failures;
  stats_.error = error.message;
}

}  // namespace cairn
