// SPDX-License-Identifier: Apache-2.0
//
// What was accepted and is not committed yet: two lanes, small values before others. The
// putters are on one side, the writer on the other. A value is memory with somebody to
// tell when it is free: nothing here knows whose memory it is.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/base/atomic_histogram.h"
#include "engine/write/byte_budget.h"
#include "engine/write/put_state.h"
#include "engine/write/queue_state.h"
#include "engine/write/staging_arena.h"

namespace cairn {

class PutQueue {
 public:
  PutQueue(const WriterOptions& options, std::uint32_t block_bytes);
  ~PutQueue();

  // --- Any thread ---

  // Takes the memory for copies, the first time.
  Status warm_up();
  // Hands the values over; see Store::put_async. The ticket tells everything. With `end`,
  // that stands for them, and there are no roots.
  std::shared_ptr<TicketState> push(std::vector<Put> puts, const PutOptions& options,
                                    std::unique_ptr<GroupEnd> end = nullptr);
  // Asks for everything accepted so far to be written now.
  void hurry();
  // The same, and waits until all of it is committed or has failed.
  // The error with which everything fails, if there is one.
  Status settle();
  // Nothing more is accepted; what is pending is still written.
  void close();
  // All that is pending fails with `error`, and whatever comes later with `from_now_on`.
  void fail(const Error& error, const Error& from_now_on);
  WriterStats stats() const;
  QueueState state() const;

  // --- The writer's thread ---

  struct Cut {
    std::shared_ptr<PutState> put;
    std::shared_ptr<const void> hold;
    Bytes bytes;  // as stored, or empty: to be gathered from put->memory
    std::uint64_t offset = 0;
    std::uint32_t length = 0;
    bool last = false;
    bool small = false;  // of a value in the lane of small ones
  };
  // Waits until something should be written; false when closed and all of it is.
  bool wait_for_work();
  // The next stretch to write, of small values first, or of large ones; nothing when none is
  // there now.
  std::optional<Cut> next(bool large_first = false);
  // The group is out of the writer's hands.
  void settled(PutGroup& group, const Status& status);
  // The group's records are in the log.
  void appended(const PutGroup& group);
  void count_block(std::uint64_t new_bytes);
  // Of everything since the last one, which has appended so much to the log.
  void count_commit(std::uint64_t log_bytes);

 private:
  using Clock = std::chrono::steady_clock;
  struct Lane {
    explicit Lane(std::uint64_t limit) : budget(std::make_shared<ByteBudget>(limit)) {}
    std::shared_ptr<ByteBudget> budget;  // memory on its way out may outlive the queue
    std::deque<std::shared_ptr<PutState>> puts;
  };
  struct Entering;
  struct Bell;

  bool admit(Entering& entering, OnFull on_full);
  void stand_in_line(Entering& entering);
  void wait_for_room(Entering& entering, std::uint64_t bytes);
  Status enqueue(Entering& entering);
  void stage(Entering& entering);
  void hand_over(Entering& entering, std::size_t which);
  Status copy(Entering& entering, std::size_t which);
  Result<PutState::Piece> take_piece(Lane& lane, std::size_t bytes, MutableBytes& into);
  void refuse(Entering& entering, const Error& error);
  std::optional<Cut> draw(Lane& lane);
  static bool drawable(const Lane& lane);
  bool urgent() const;

  const WriterOptions options_;
  const std::uint32_t block_bytes_;
  const std::shared_ptr<Bell> bell_;
  const std::shared_ptr<std::atomic<std::uint64_t>> staged_groups_;
  std::once_flag warmed_;
  Status warm_;
  std::unique_ptr<StagingArena> arena_;

  mutable std::mutex mutex_;         // guards what follows, and the lanes' puts
  std::condition_variable work_;     // for the writer
  std::condition_variable settled_;  // for settle()
  Lane small_, bulk_;
  std::uint64_t next_sequence_ = 1;
  std::map<std::uint64_t, std::shared_ptr<PutGroup>> pending_;  // by sequence
  std::size_t grouped_ = 0;                                     // of them with Durability::grouped
  std::uint64_t hurry_through_ = 0;                             // sequence
  Clock::time_point linger_until_;                              // for the grouped ones
  std::size_t blocked_ = 0;                                     // putters that wait for room
  std::size_t settling_ = 0;                                    // callers of settle()
  std::optional<Clock::time_point> last_commit_;
  bool closed_ = false;
  std::optional<Error> error_;
  WriterStats stats_;

  AtomicHistogram append_time_, sync_time_, stall_time_;
};

}  // namespace cairn
