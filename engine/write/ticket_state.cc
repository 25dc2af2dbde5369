// SPDX-License-Identifier: Apache-2.0
#include "engine/write/ticket_state.h"

#include <algorithm>
#include <chrono>

namespace cairn {

// With mutex_ held.
Status TicketState::status_of(unsigned step) const {
  if ((failed_ >> step & 1) != 0) return *error_;
  return {};
}

void TicketState::hurry(unsigned step) const {
  if (!ready(step) && hurry_) hurry_();
}

Status TicketState::wait(unsigned step) {
  hurry(step);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ready(step); });
  return status_of(step);
}

std::optional<Status> TicketState::wait_for(unsigned step, std::chrono::nanoseconds time) {
  hurry(step);
  // A point in time that no clock can name would pass for one that is over.
  constexpr std::chrono::nanoseconds kForEver = std::chrono::years(100);
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::min(time, kForEver), [&] { return ready(step); })) return std::nullopt;
  return status_of(step);
}

void TicketState::on_ready(unsigned step, Then then) {
  Status status;
  {
    const std::lock_guard lock(mutex_);
    if (!ready(step)) {
      callbacks_.emplace_back(step, std::move(then));
      return;
    }
    status = status_of(step);
  }
  then(status);
}

std::vector<std::string> TicketState::ids() const {
  const std::lock_guard lock(mutex_);
  return ids_;
}

void TicketState::identify(std::vector<std::string> ids) {
  {
    const std::lock_guard lock(mutex_);
    if (!ready(kIdentified)) ids_ = std::move(ids);
  }
  reach(kIdentified);
}

void TicketState::reach(Step step) {
  std::unique_lock lock(mutex_);
  if (!ready(step)) settle(step, lock);
}

void TicketState::fail(const Error& error, bool keep_staged) {
  for (unsigned step = 0; step < kSteps; ++step) {
    if (step == kStaged && keep_staged) continue;
    std::unique_lock lock(mutex_);
    if (ready(step)) continue;
    if (!error_) error_ = error;
    failed_ |= 1u << step;
    settle(step, lock);
  }
}

// Callbacks run without the lock: they may ask the ticket anything.
void TicketState::settle(unsigned step, std::unique_lock<std::mutex>& lock) {
  done_.fetch_or(1u << step, std::memory_order_release);
  const Status status = status_of(step);
  std::vector<Then> due;
  const auto waits = std::stable_partition(callbacks_.begin(), callbacks_.end(),
                                           [&](const auto& callback) { return callback.first != step; });
  for (auto callback = waits; callback != callbacks_.end(); ++callback) due.push_back(std::move(callback->second));
  callbacks_.erase(waits, callbacks_.end());
  changed_.notify_all();
  lock.unlock();
  for (const Then& then : due) then(status);
}

}  // namespace cairn
