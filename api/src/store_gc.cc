// SPDX-License-Identifier: Apache-2.0
#include "api/src/background_gc.h"
#include "api/src/gc_run.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"

namespace cairn {
namespace {

GcReport report_of(const ReclaimCounters& counters, std::vector<std::string> damaged) {
  return {.freed_bytes = counters.freed_bytes,
          .moved_bytes = counters.moved_bytes,
          .dead_bytes = counters.dead_bytes,
          .segments = counters.segments,
          .damaged = std::move(damaged)};
}

}  // namespace

Result<GcReport> StoreImpl::gc(const GcOptions& options, const Progress& progress) {
  CAIRN_CHECK(check_usable());
  if (!(options.max_dead >= 0 && options.max_dead <= 1)) {
    return make_error(ErrorCode::invalid_argument, "a share of dead bytes is from 0 to 1");
  }
  ProgressMeter meter(progress, "reclaim", 0);
  const BackgroundGc::Pause pause(background_gc_.get());
  GcRun run(*this, options.max_dead);
  if (options.dry_run) {
    CAIRN_TRY(const ReclaimCounters planned, run.plan());
    return report_of(planned, {});
  }
  // On a full disk it is reclaiming that makes room: what has expired goes the next time.
  if (const Status expired = remove_expired(); !expired.ok() && expired.error().code != ErrorCode::no_space) {
    return expired.error();
  }
  ReclaimCounters before;
  for (bool more = true; more;) {
    CAIRN_CHECK(meter.check_stop());
    CAIRN_TRY(more, run.step());
    const ReclaimCounters now = run.counters();
    meter.add(now.moved_bytes - before.moved_bytes, now.freed_bytes - before.freed_bytes);
    before = now;
  }
  // Reclaiming is done whether or not a stop is asked for now, and merging takes long.
  if (meter.check_stop().ok()) {
    CAIRN_CHECK(run.merge_entries());
  }
  return report_of(run.counters(), run.damaged());
}

Result<GcReport> Store::gc(const GcOptions& options, const Progress& progress) { return impl_->gc(options, progress); }

// In a child of fork() the thread is missing, and whoever held a lock.
void Store::pause_reclaiming() {
  BackgroundGc* const background = impl_->background_gc();
  if (background != nullptr && !impl_->forked()) background->pause();
}
void Store::resume_reclaiming() {
  BackgroundGc* const background = impl_->background_gc();
  if (background != nullptr && !impl_->forked()) background->resume();
}
ReclaimStats Store::reclaim_stats() const {
  const BackgroundGc* const background = impl_->forked() ? nullptr : impl_->background_gc();
  return background != nullptr ? background->stats() : ReclaimStats{};
}

}  // namespace cairn
