// SPDX-License-Identifier: Apache-2.0
#include "engine/write/put_queue.h"

#include <algorithm>
#include <cstring>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

constexpr std::uint64_t kBudgetBytesMin{8 * MiB};
// What a name and its attributes may take, and those of values that are put together.
constexpr std::size_t kWordsBytesMax = MiB;
constexpr std::size_t kGroupWordsBytesMax = kRootsBytesMax / 2;
// That the manifest of one object can list.
constexpr std::uint64_t kBlocksMax = 7'000'000;
// A copy that goes on is worth waiting for: ending the pipeline costs a sync.
constexpr std::chrono::milliseconds kCopyPatience{2};

std::size_t words_bytes(const Put& put) {
  std::size_t bytes = 128 + put.name.size();
  for (const auto& [key, value] : put.attributes) bytes += 8 + key.size() + value.size();
  return bytes;
}

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

// Values on their way through push().
struct PutQueue::Entering {
  Lane* lane = nullptr;
  std::optional<ByteBudget::Turn> turn;
  std::vector<Put> puts;
  std::vector<std::shared_ptr<PutState>> states;
  std::shared_ptr<PutGroup> group;
  std::vector<std::uint64_t> needs;  // bytes of the budget, for each value
  std::uint64_t need = 0;            // of all of them
  bool piecemeal = false;            // more than the budget: granted bit by bit
  Clock::duration stalled{0};
};

// How tickets ask for haste: they may outlive the queue.
struct PutQueue::Bell {
  explicit Bell(PutQueue& rung) : queue(&rung) {}
  void ring() {
    const std::lock_guard lock(mutex);
    if (queue != nullptr) queue->hurry();
  }
  std::mutex mutex;
  PutQueue* queue;  // null once it is gone
};

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

// Brings the bytes where the writer finds them.
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
