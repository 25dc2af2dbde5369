// SPDX-License-Identifier: Apache-2.0
#include "engine/write/put_queue.h"

#include <algorithm>

#include "engine/base/errors.h"
#include "engine/write/put_entering.h"

namespace cairn {
namespace {

constexpr std::uint64_t kBudgetBytesMin{8 * MiB};
// A copy that goes on is worth waiting for: ending the pipeline costs a sync.
constexpr std::chrono::milliseconds kCopyPatience{2};

}  // namespace

PutQueue::PutQueue(const WriterOptions& options, std::uint32_t block_bytes)
    : options_(options),
      block_bytes_(block_bytes),
      bell_(std::make_shared<Bell>(*this)),
      staged_groups_(std::make_shared<std::atomic<std::uint64_t>>(0)),
      small_(std::max<std::uint64_t>(options.budget_bytes / 8, MiB)),
      bulk_(std::max(
          {options.budget_bytes - options.budget_bytes / 8, kBudgetBytesMin, std::uint64_t{8} * block_bytes})) {}

PutQueue::~PutQueue() {
  const std::lock_guard lock(bell_->mutex);
  bell_->queue = nullptr;
}

Status PutQueue::warm_up() {
  std::call_once(warmed_, [&] {
    auto created = StagingArena::create(block_bytes_, bulk_.budget->limit() / block_bytes_);
    if (created.ok()) {
      arena_ = std::move(created).value();
    } else {
      warm_ = std::move(created).error();
    }
  });
  return warm_;
}

void PutQueue::hurry() {
  const std::lock_guard lock(mutex_);
  hurry_through_ = next_sequence_ - 1;
  work_.notify_one();
}

Status PutQueue::settle() {
  std::unique_lock lock(mutex_);
  const std::uint64_t through = next_sequence_ - 1;
  hurry_through_ = through;
  work_.notify_one();
  ++settling_;
  settled_.wait(lock, [&] { return pending_.empty() || pending_.begin()->first > through; });
  --settling_;
  if (error_) return *error_;
  return {};
}

void PutQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  work_.notify_one();
}

void PutQueue::fail(const Error& error, const Error& from_now_on) {
  std::map<std::uint64_t, std::shared_ptr<PutGroup>> failed;
  std::deque<std::shared_ptr<PutState>> dropped;
  {
    const std::lock_guard lock(mutex_);
    error_ = from_now_on;
    failed = pending_;
    dropped = std::exchange(small_.puts, {});
    for (auto& put : std::exchange(bulk_.puts, {})) dropped.push_back(std::move(put));
    stats_.failed += failed.size();
    stats_.pending_puts = stats_.pending_bytes = 0;
    grouped_ = 0;
    small_.budget->open_up();
    bulk_.budget->open_up();
    work_.notify_one();
  }
  for (const auto& [sequence, group] : failed) group->ticket->fail(error, group->unstaged > 0);
  // Who waits for everything then finds every ticket decided.
  const std::lock_guard lock(mutex_);
  pending_.clear();
  settled_.notify_all();
}

// With mutex_ held, as the following ones.
bool PutQueue::drawable(const Lane& lane) {
  if (lane.puts.empty()) return false;
  const PutState& first = *lane.puts.front();
  return first.copied ? !first.pieces.empty() : first.hold != nullptr;
}

bool PutQueue::urgent() const {
  if (!drawable(small_) && !drawable(bulk_)) return false;
  if (closed_ || blocked_ > 0 || pending_.begin()->first <= hurry_through_) return true;
  if (stats_.pending_bytes > options_.budget_bytes / 2) return true;
  return grouped_ > 0 && std::chrono::steady_clock::now() >= linger_until_;
}

bool PutQueue::wait_for_work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (error_) return false;
    if (urgent()) return true;
    if (closed_ && pending_.empty()) return false;
    const bool lingers = grouped_ > 0 && (drawable(small_) || drawable(bulk_));
    if (lingers) {
      work_.wait_until(lock, linger_until_);
    } else {
      work_.wait(lock);
    }
  }
}

std::optional<PutQueue::Cut> PutQueue::next(bool large_first) {
  std::unique_lock lock(mutex_);
  const auto ready = [&] { return drawable(small_) || drawable(bulk_) || blocked_ > 0 || error_.has_value(); };
  if (!ready() && !bulk_.puts.empty()) work_.wait_for(lock, kCopyPatience, ready);
  if (large_first && drawable(bulk_)) return draw(bulk_);
  if (drawable(small_)) return draw(small_);
  if (drawable(bulk_)) return draw(bulk_);
  return std::nullopt;
}

std::optional<PutQueue::Cut> PutQueue::draw(Lane& lane) {
  Cut cut;
  cut.put = lane.puts.front();
  PutState& put = *cut.put;
  const std::uint64_t total = put.layout.total_bytes();
  cut.offset = put.drawn;
  cut.length = static_cast<std::uint32_t>(std::min<std::uint64_t>(block_bytes_, total - put.drawn));
  put.drawn += cut.length;
  cut.last = put.drawn == total;
  cut.small = &lane == &small_;
  if (put.copied) {
    PutState::Piece piece = std::move(put.pieces.front());
    put.pieces.pop_front();
    cut.hold = std::move(piece.hold);
    cut.bytes = piece.bytes;
  } else {
    if (put.layout.contiguous()) cut.bytes = put.memory.subspan(cut.offset, cut.length);
    cut.hold = cut.last ? std::move(put.hold) : put.hold;
  }
  if (cut.last) lane.puts.pop_front();
  return cut;
}

void PutQueue::settled(PutGroup& group, const Status& status) {
  const auto now = Clock::now();
  {
    // Counted first: who is told finds it in the statistics.
    const std::lock_guard lock(mutex_);
    if (!pending_.contains(group.sequence)) return;  // everything has failed meanwhile
    if (group.durability == Durability::grouped) --grouped_;
    if (grouped_ > 0) linger_until_ = now + options_.linger;
    stats_.pending_bytes -= group.bytes;
    --stats_.pending_puts;
    ++(status.ok() ? stats_.committed : stats_.failed);
    if (status.ok()) {
      ++stats_.synced;
      stats_.committed_bytes += group.bytes;
    }
  }
  // Then the ticket: who waits for everything finds every ticket decided.
  if (status.ok()) {
    sync_time_.add(now - group.accepted);
    group.ticket->reach(TicketState::kSynced);
    group.ticket->reach(TicketState::kCommitted);
  } else {
    group.ticket->fail(status.error(), group.unstaged > 0);
  }
  const std::lock_guard lock(mutex_);
  pending_.erase(group.sequence);
  settled_.notify_all();
}

}  // namespace cairn
