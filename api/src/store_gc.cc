// SPDX-License-Identifier: Apache-2.0
#include "api/src/store_impl.h"
#include "engine/base/errors.h"
#include "engine/base/progress_meter.h"
#include "engine/reclaim/reclaimer.h"
#include "engine/write/async_writer.h"

namespace cairn {

// One step at a time, each in a turn of its own: whoever wants to write comes between.
Result<GcReport> StoreImpl::gc(const GcOptions& options, const Progress& progress) {
  if (!(options.max_dead >= 0 && options.max_dead <= 1)) {
    return make_error(ErrorCode::invalid_argument, "a share of dead bytes is from 0 to 1");
  }
  const std::string log_folder = layout_.log();
  ProgressMeter meter(progress, "reclaim", 0);
  std::optional<Reclaimer> reclaimer;
  std::uint64_t moved_bytes = 0, freed_bytes = 0;
  for (bool more = true; more;) {
    CAIRN_CHECK(meter.check_stop());
    CAIRN_TRY(const Writing writing, begin_writing());
    if (!reclaimer) {
      reclaimer.emplace(Reclaimer::Parts{.fs = fs_,
                                         .log_folder = log_folder,
                                         .store_tag = store_tag_of(header_.uuid),
                                         .digest = header_.digest,
                                         .index = *index_,
                                         .log = *writing.log,
                                         .reader = *log_reader_,
                                         .parts = *parts_},
                        options.max_dead);
    }
    if (options.dry_run) {
      CAIRN_TRY(const ReclaimCounters planned, reclaimer->plan());
      return GcReport{.freed_bytes = planned.freed_bytes,
                      .moved_bytes = planned.moved_bytes,
                      .dead_bytes = planned.dead_bytes,
                      .segments = planned.segments,
                      .damaged = {}};
    }
    std::shared_ptr<AsyncWriter> writer;
    {
      const std::lock_guard lock(writer_mutex_);
      writer = writer_;
    }
    CAIRN_TRY(more, reclaimer->step(writer ? writer->held() : std::vector<Reference>()));
    const ReclaimCounters& now = reclaimer->counters();
    if (now.freed_bytes > freed_bytes) checkpointed_ = index_->applied();  // it was, before they were removed
    meter.add(now.moved_bytes - std::exchange(moved_bytes, now.moved_bytes),
              now.freed_bytes - std::exchange(freed_bytes, now.freed_bytes));
  }
  const ReclaimCounters& done = reclaimer->counters();
  return GcReport{.freed_bytes = done.freed_bytes,
                  .moved_bytes = done.moved_bytes,
                  .dead_bytes = done.dead_bytes,
                  .segments = done.segments,
                  .damaged = reclaimer->damaged()};
}

Result<GcReport> Store::gc(const GcOptions& options, const Progress& progress) { return impl_->gc(options, progress); }

}  // namespace cairn
