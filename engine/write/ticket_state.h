// SPDX-License-Identifier: Apache-2.0
//
// What a Ticket and its Milestones look at (cairn/ticket.h).
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairn/result.h"

namespace cairn {

// Any thread. Each step comes once; the first of reach() and fail() decides it.
class TicketState {
 public:
  enum Step : unsigned { kIdentified, kStaged, kSynced, kCommitted, kSteps };

  // `hurry` is called by whoever begins to wait, or asks, without locks.
  explicit TicketState(std::function<void()> hurry = {}) : hurry_(std::move(hurry)) {}

  bool ready(unsigned step) const noexcept { return (done_.load(std::memory_order_acquire) >> step & 1) != 0; }
  void hurry(unsigned step) const;
  Status wait(unsigned step);
  std::optional<Status> wait_for(unsigned step, std::chrono::nanoseconds time);
  void on_ready(unsigned step, std::function<void(const Status&)> then);
  // After kIdentified has been reached: of each value that was put.
  std::vector<std::string> ids() const;

  void identify(std::vector<std::string> ids);
  void reach(Step step);
  // Every step that has not come fails, but for kStaged when `keep_staged`: somebody may
  // still read the memory.
  void fail(const Error& error, bool keep_staged);

 private:
  using Then = std::function<void(const Status&)>;
  Status status_of(unsigned step) const;
  void settle(unsigned step, std::unique_lock<std::mutex>& lock);

  const std::function<void()> hurry_;
  std::atomic<unsigned> done_{0};  // bits of steps
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  unsigned failed_ = 0;  // bits of steps; with the rest guarded by mutex_
  std::optional<Error> error_;
  std::vector<std::string> ids_;
  std::vector<std::pair<unsigned, Then>> callbacks_;
};

}  // namespace cairn
