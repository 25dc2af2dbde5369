// SPDX-License-Identifier: Apache-2.0
//
// PutQueue: what it tells of itself.
#include "engine/write/put_queue.h"

namespace cairn {

WriterStats PutQueue::stats() const {
  std::unique_lock lock(mutex_);
  WriterStats stats = stats_;
  lock.unlock();
  stats.staged = *staged_groups_;
  stats.append_time = append_time_.read();
  stats.sync_time = sync_time_.read();
  stats.stall_time = stall_time_.read();
  return stats;
}

QueueState PutQueue::state() const {
  const auto now = Clock::now();
  const auto state_of = [](const Lane& lane) {
    return QueueState::Lane{.values = lane.puts.size(),
                            .ready = drawable(lane),
                            .budget_used = lane.budget->used(),
                            .budget_bytes = lane.budget->limit(),
                            .in_line = lane.budget->in_line()};
  };
  const std::lock_guard lock(mutex_);
  QueueState state{.small = state_of(small_),
                   .bulk = state_of(bulk_),
                   .pending_puts = pending_.size(),
                   .pending_bytes = stats_.pending_bytes,
                   .blocked = blocked_,
                   .settling = settling_,
                   .hurry_through = hurry_through_,
                   .closed = closed_,
                   .error = error_};
  if (last_commit_) state.since_commit = now - *last_commit_;
  for (const auto& [sequence, group] : pending_) {
    if (state.oldest.size() == QueueState::kPendingMax) break;
    state.oldest.push_back({.sequence = sequence,
                            .values = group->roots.size(),
                            .bytes = group->bytes,
                            .durability = group->durability,
                            .staged = group->unstaged == 0,
                            .age = now - group->accepted});
  }
  return state;
}

void PutQueue::appended(const PutGroup& group) { append_time_.add(Clock::now() - group.accepted); }

void PutQueue::count_block(std::uint64_t new_bytes) {
  const std::lock_guard lock(mutex_);
  stats_.new_bytes += new_bytes;
}

void PutQueue::count_commit(std::uint64_t log_bytes) {
  const std::lock_guard lock(mutex_);
  ++stats_.commits;
  stats_.put_log_bytes += log_bytes;
  last_commit_ = Clock::now();
}

}  // namespace cairn
