// SPDX-License-Identifier: Apache-2.0
//
// What may enter a PutQueue: values that can be stored, when the budget has room for them.
#include <algorithm>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"
#include "engine/write/put_entering.h"

namespace cairn {
namespace {

// What a name and its attributes may take, and those of values that are put together.
constexpr std::size_t kWordsBytesMax = MiB;
constexpr std::size_t kGroupWordsBytesMax = kRootsBytesMax / 2;
// That the manifest of one object can list.
constexpr std::uint64_t kBlocksMax = 7'000'000;

std::size_t words_bytes(const Put& put) {
  std::size_t bytes = 128 + put.name.size();
  for (const auto& [key, value] : put.attributes) bytes += 8 + key.size() + value.size();
  return bytes;
}

}  // namespace

std::shared_ptr<TicketState> PutQueue::push(std::vector<Put> puts, const PutOptions& options,
                                            std::unique_ptr<GroupEnd> end) {
  Entering entering;
  entering.puts = std::move(puts);
  entering.group = std::make_shared<PutGroup>();
  PutGroup& group = *entering.group;
  group.durability = options.durability;
  group.staged_groups = staged_groups_;
  group.end = std::move(end);
  group.ticket = options.durability == Durability::lazy
                     ? std::make_shared<TicketState>([bell = bell_] { bell->ring(); })
                     : std::make_shared<TicketState>();
  std::size_t words = 0;
  for (const Put& put : entering.puts) {
    auto layout = ValueLayout::of(put);
    if (layout.ok() && words_bytes(put) > kWordsBytesMax) {
      layout = make_error(ErrorCode::invalid_argument,
                          "put '" + put.name.substr(0, 100) + "': a name and its attributes take at most 1 MiB");
    }
    if (layout.ok() && layout->total_bytes() / block_bytes_ > kBlocksMax) {
      layout =
          make_error(ErrorCode::invalid_argument, "put '" + put.name + "': " + std::to_string(layout->total_bytes()) +
                                                      " bytes are more than an object of this store can have");
    }
    if (!layout.ok()) {
      Error error = std::move(layout).error();
      if (entering.puts.size() > 1) {
        error = std::move(error).with_context("value " + std::to_string(entering.states.size() + 1) + " of " +
                                              std::to_string(entering.puts.size()));
      }
      refuse(entering, error);
      return group.ticket;
    }
    words += words_bytes(put);
    group.bytes += layout->total_bytes();
    auto state = std::make_shared<PutState>();
    state->group = entering.group;
    state->place = entering.states.size();
    state->layout = std::move(layout).value();
    state->tensor = put.tensor;
    if (state->tensor) state->tensor->strides.clear();
    state->name = put.name;
    state->attributes = put.attributes;
    state->copied = put.handover == Handover::copy;
    entering.states.push_back(std::move(state));
  }
  if (entering.puts.empty() || words > kGroupWordsBytesMax) {
    refuse(entering,
           make_error(ErrorCode::invalid_argument,
                      entering.puts.empty() ? "nothing to put" : "put: too many names and attributes at once"));
    return group.ticket;
  }
  const bool small = group.bytes <= options_.small_bytes;
  entering.lane = small ? &small_ : &bulk_;
  group.unstaged = group.unwritten = entering.puts.size();
  group.roots.resize(entering.puts.size());
  for (std::size_t i = 0; i < entering.puts.size(); ++i) {
    const std::uint64_t bytes = entering.states[i]->layout.total_bytes();
    // Copies take whole slabs. Of other memory counts what will be written, however large
    // the array is that it is a view of.
    const bool slabs = entering.states[i]->copied && !small;
    entering.needs.push_back(slabs ? align_up(bytes, block_bytes_) : bytes);
    entering.need += entering.needs.back();
  }
  if (!small) {
    if (Status warm = warm_up(); !warm.ok()) {
      refuse(entering, warm.error());
      return group.ticket;
    }
  }
  if (!admit(entering, options.on_full)) return group.ticket;
  if (Status queued = enqueue(entering); !queued.ok()) {
    if (!entering.piecemeal) entering.lane->budget->release(entering.need);
    refuse(entering, queued.error());
    return group.ticket;
  }
  if (!entering.piecemeal) entering.turn.reset();
  stage(entering);
  if (entering.stalled > Clock::duration(0)) stall_time_.add(entering.stalled);
  return group.ticket;
}

// Nothing was taken.
void PutQueue::refuse(Entering& entering, const Error& error) {
  for (const Put& put : entering.puts) {
    if (put.handover == Handover::move && put.release) put.release();
  }
  entering.group->ticket->fail(error, false);
}

// Gets room, or the turn to get it piece by piece. False: refused.
bool PutQueue::admit(Entering& entering, OnFull on_full) {
  ByteBudget& budget = *entering.lane->budget;
  entering.piecemeal = entering.need > budget.limit();
  if (on_full == OnFull::block) {
    stand_in_line(entering);
    if (!entering.piecemeal) wait_for_room(entering, entering.need);
    return true;
  }
  entering.turn.emplace(budget, std::try_to_lock);
  if (entering.turn->first() && !entering.piecemeal && entering.turn->try_acquire(entering.need)) return true;
  {
    const std::lock_guard lock(mutex_);
    ++(on_full == OnFull::fail ? stats_.refused : stats_.dropped);
    // Others that nobody asked for may have taken the room: there is some for the next one.
    hurry_through_ = next_sequence_ - 1;
    work_.notify_one();
  }
  refuse(entering,
         Error{.code = ErrorCode::overloaded,
               .message = "put of " + std::to_string(entering.group->bytes) + " bytes: the writer's budget of " +
                          std::to_string(budget.limit()) + " bytes has no room",
               .retryable = true});
  return false;
}

void PutQueue::stand_in_line(Entering& entering) {
  ByteBudget& budget = *entering.lane->budget;
  entering.turn.emplace(budget, std::try_to_lock);
  if (entering.turn->first()) return;
  const auto since = Clock::now();
  entering.turn.emplace(budget);
  entering.stalled += Clock::now() - since;
}

void PutQueue::wait_for_room(Entering& entering, std::uint64_t bytes) {
  if (entering.turn->try_acquire(bytes)) return;
  const auto since = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    ++blocked_;
    work_.notify_one();
  }
  entering.turn->acquire(bytes);
  entering.stalled += Clock::now() - since;
  const std::lock_guard lock(mutex_);
  --blocked_;
}

Status PutQueue::enqueue(Entering& entering) {
  const std::lock_guard lock(mutex_);
  if (error_) return *error_;
  if (closed_) return make_error(ErrorCode::invalid_argument, "the store is closed");
  PutGroup& group = *entering.group;
  group.sequence = next_sequence_++;
  group.accepted = Clock::now();
  pending_.emplace(group.sequence, entering.group);
  if (group.durability == Durability::grouped) {
    if (grouped_ == 0) linger_until_ = group.accepted + options_.linger;
    ++grouped_;
  }
  for (const auto& state : entering.states) entering.lane->puts.push_back(state);
  ++stats_.accepted;
  stats_.accepted_bytes += group.bytes;
  stats_.pending_bytes += group.bytes;
  ++stats_.pending_puts;
  return {};
}

}  // namespace cairn
