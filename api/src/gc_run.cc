// SPDX-License-Identifier: Apache-2.0
#include "api/src/gc_run.h"

#include <algorithm>

#include "engine/write/async_writer.h"

namespace cairn {
namespace {

std::uint64_t less(std::uint64_t bytes, std::uint64_t by) { return bytes - std::min(bytes, by); }

}  // namespace

GcRun::GcRun(StoreImpl& store, double max_dead) : store_(store), alone_(store.reclaiming_), max_dead_(max_dead) {}

Reclaimer& GcRun::reclaimer(LogWriter& log) {
  if (!reclaimer_) {
    reclaimer_.emplace(ReclaimParts{.fs = store_.fs_,
                                    .log_folder = store_.layout_.log(),
                                    .store_tag = store_tag_of(store_.header_.uuid),
                                    .digest = store_.header_.digest,
                                    .index = *store_.index_,
                                    .log = log,
                                    .reader = *store_.log_reader_,
                                    .parts = *store_.parts_},
                       max_dead_);
  }
  return *reclaimer_;
}

Result<bool> GcRun::step() {
  CAIRN_TRY(const StoreImpl::Writing writing, store_.begin_writing());
  Reclaimer& reclaimer = this->reclaimer(*writing.log);
  std::shared_ptr<AsyncWriter> writer;
  {
    const std::lock_guard lock(store_.writer_mutex_);
    writer = store_.writer_;
  }
  const std::uint64_t freed_bytes = reclaimer.counters().freed_bytes;
  const auto stepped = reclaimer.step(writer ? writer->held() : std::vector<Reference>());
  store_.room_->refill();
  CAIRN_TRY(const bool more, stepped);
  // The index was made durable before anything was removed.
  if (reclaimer.counters().freed_bytes > freed_bytes) store_.checkpointed_ = store_.index_->applied();
  return more;
}

// Whoever wants to write waits for the checkpoint, not for the merging. What others take of the disk meanwhile is left
// to them, and the reserve to whoever gives space back.
Status GcRun::merge_entries() {
  const auto space = store_.fs_.space(store_.layout_.folder);
  if (!space.ok()) return {};
  std::uint64_t room_bytes = less(space->available_bytes, std::max(GiB, space->available_bytes / 10));
  {
    CAIRN_TRY(const StoreImpl::Writing writing, store_.begin_writing());
    const DiskRoom& room = *store_.room_;
    if (room.is_tight()) return {};
    if (room.budget() != 0) room_bytes = std::min(room_bytes, less(room.budget(), room.use() + room.budget() / 10));
  }
  const auto merged = store_.index_->merge_entries(less(room_bytes, reserve_for(store_.header_.segment_bytes)));
  if (!merged.ok()) {
    const ErrorCode code = merged.error().code;
    if (code == ErrorCode::poisoned || code == ErrorCode::corruption) return merged.error();
    return {};  // what reclaiming gave back it has given back, and the index is as it was
  }
  if (!*merged) return {};
  CAIRN_TRY(const StoreImpl::Writing writing, store_.begin_writing());
  store_.room_->make_room_for_checkpoint();
  const Status checkpoint = store_.index_->checkpoint();
  store_.room_->refill();
  CAIRN_CHECK(checkpoint);
  store_.checkpointed_ = store_.index_->applied();
  return {};
}

Result<ReclaimCounters> GcRun::plan() {
  CAIRN_TRY(const StoreImpl::Writing writing, store_.begin_writing());
  return reclaimer(*writing.log).plan();
}

}  // namespace cairn
