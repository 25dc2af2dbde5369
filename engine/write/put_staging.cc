// SPDX-License-Identifier: Apache-2.0
//
// Brings values that a PutQueue has accepted to where its writer finds them: copied, or left
// where they are.
#include <algorithm>

#include "engine/base/errors.h"
#include "engine/write/put_entering.h"

namespace cairn {
namespace {

// Gives back what was granted for some memory when it is needed no more.
struct Granted {
  std::shared_ptr<ByteBudget> budget;
  std::uint64_t bytes = 0;
  std::shared_ptr<const void> memory;
  std::function<void()> release;
  std::shared_ptr<PutGroup> group;  // when it is the value's own memory
  ~Granted() {
    memory.reset();
    if (release) release();
    budget->release(bytes);
    if (group) group->memory_is_free();
  }
};

}  // namespace

void PutQueue::stage(Entering& entering) {
  for (std::size_t i = 0; i < entering.puts.size(); ++i) {
    if (entering.puts[i].handover != Handover::copy) {
      hand_over(entering, i);
      continue;
    }
    // A copy ends early when everything fails: the ticket has been told.
    static_cast<void>(copy(entering, i).ok());
    entering.group->memory_is_free();
  }
}

void PutQueue::hand_over(Entering& entering, std::size_t which) {
  Put& put = entering.puts[which];
  if (entering.piecemeal) wait_for_room(entering, entering.needs[which]);
  std::shared_ptr<const void> granted(
      new Granted{.budget = entering.lane->budget,
                  .bytes = entering.needs[which],
                  .memory = nullptr,
                  .release = put.handover == Handover::move ? std::move(put.release) : nullptr,
                  .group = entering.group});
  {
    const std::lock_guard lock(mutex_);
    if (error_) return;  // nobody will draw it
    entering.states[which]->memory = put.bytes;
    entering.states[which]->hold = std::move(granted);
  }
  work_.notify_one();
}

Status PutQueue::copy(Entering& entering, std::size_t which) {
  const Bytes from = entering.puts[which].bytes;
  PutState& state = *entering.states[which];
  std::uint64_t left_of_grant = entering.needs[which];
  const std::uint64_t total = state.layout.total_bytes();
  for (std::uint64_t offset = 0; offset < total; offset += block_bytes_) {
    const std::size_t bytes = std::min<std::uint64_t>(block_bytes_, total - offset);
    const bool small = entering.lane == &small_;
    const std::uint64_t grant = small ? bytes : block_bytes_;
    if (entering.piecemeal) wait_for_room(entering, grant);
    left_of_grant -= grant;
    MutableBytes into;
    auto taken = take_piece(*entering.lane, bytes, into);
    if (!taken.ok()) {
      entering.lane->budget->release(grant + (entering.piecemeal ? 0 : left_of_grant));
      return std::move(taken).error();
    }
    PutState::Piece piece = std::move(taken).value();
    if (state.layout.contiguous()) {
      copy_past_cache(into, from.subspan(offset, bytes));
    } else {
      state.layout.gather(from, offset, into);
    }
    piece.hold = std::shared_ptr<const void>(new Granted{.budget = entering.lane->budget,
                                                         .bytes = grant,
                                                         .memory = std::move(piece.hold),
                                                         .release = nullptr,
                                                         .group = nullptr});
    {
      const std::lock_guard lock(mutex_);
      if (error_) {
        if (!entering.piecemeal) entering.lane->budget->release(left_of_grant);
        return *error_;
      }
      state.pieces.push_back(std::move(piece));
    }
    work_.notify_one();
  }
  if (total == 0) {
    const std::lock_guard lock(mutex_);
    state.pieces.push_back({});
    work_.notify_one();
  }
  return {};
}

Result<PutState::Piece> PutQueue::take_piece(Lane& lane, std::size_t bytes, MutableBytes& into) {
  if (&lane == &bulk_) {
    StagingArena::Slab slab = arena_->take();
    if (slab.hold == nullptr) {
      // There is one for every grant, until everything fails and everything is granted.
      const std::lock_guard lock(mutex_);
      CAIRN_INVARIANT(error_.has_value());
      return *error_;
    }
    into = slab.bytes.first(bytes);
    return PutState::Piece{.hold = std::move(slab.hold), .bytes = into};
  }
  auto buffer = std::make_shared<std::vector<std::byte>>(bytes);
  into = *buffer;
  return PutState::Piece{.hold = std::move(buffer), .bytes = into};
}

}  // namespace cairn
