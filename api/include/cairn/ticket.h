// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a put after it was handed over: a ticket with three milestones.
//
//   accepted → staged → appended → synced → committed
//
// Accepted is what the call returned with; nothing tells of appended, on which nobody may
// rely. Memory that was copied is staged when the call returns, other memory when it has been
// read. When a put fails, every milestone that has not come fails with it, but staged() not
// before its memory is free.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/result.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

class TicketState;

// A moment that comes once, with success or an error. A cheap handle; any thread.
class Milestone {
 public:
  // Whether it has come (or failed). Never waits.
  bool ready() const noexcept;
  // Asks for it now when the put is Durability::lazy; waiting does so too.
  void hurry() const;
  // Waits for it. An error means that the outcome is unknown: repeating the put is safe.
  Status wait() const;
  // The same for at most `time`; nothing when that was too short.
  std::optional<Status> wait_for(std::chrono::nanoseconds time) const;
  // Calls `then` once: at once and on this thread when ready, else on a thread of the store or
  // of another caller, which it must not keep (no waiting, no calls of the store that wait).
  // Asks for nothing.
  void on_ready(std::function<void(const Status&)> then) const;

 private:
  friend class Ticket;
  Milestone(std::shared_ptr<TicketState> state, unsigned which) : state_(std::move(state)), which_(which) {}
  std::shared_ptr<TicketState> state_;
  unsigned which_;
};

// One put. Dropping it changes nothing about the put. Copies are the same ticket.
class Ticket {
 public:
  explicit Ticket(std::shared_ptr<TicketState> state) : state_(std::move(state)) {}

  // The memory that was handed over may be changed or freed, also when this has failed.
  Milestone staged() const;
  // The object survives power loss. Told at the end of the commit that synced it, so that
  // committed() follows at once; whoever needs it waits for it.
  Milestone synced() const;
  // It is in the index as well: readers in this process and in others find it.
  Milestone committed() const;

  // The object's id in its text form. Waits until the content is digested, which needs no
  // disk while the writer's budget has room.
  Result<std::string> id() const;
  // The same for each value that was put with it, in their order.
  Result<std::vector<std::string>> ids() const;

 private:
  std::shared_ptr<TicketState> state_;
};

}  // namespace cairn
#pragma GCC visibility pop
