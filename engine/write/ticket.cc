// SPDX-License-Identifier: Apache-2.0
#include "cairn/ticket.h"

#include "engine/write/ticket_state.h"

namespace cairn {

bool Milestone::ready() const noexcept { return state_->ready(which_); }
void Milestone::hurry() const { state_->hurry(which_); }
Status Milestone::wait() const { return state_->wait(which_); }
std::optional<Status> Milestone::wait_for(std::chrono::nanoseconds time) const {
  return state_->wait_for(which_, time);
}
void Milestone::on_ready(std::function<void(const Status&)> then) const { state_->on_ready(which_, std::move(then)); }

Milestone Ticket::staged() const { return {state_, TicketState::kStaged}; }
Milestone Ticket::synced() const { return {state_, TicketState::kSynced}; }
Milestone Ticket::committed() const { return {state_, TicketState::kCommitted}; }

Result<std::string> Ticket::id() const {
  CAIRN_TRY(const std::vector<std::string> all, ids());
  return all.front();
}

Result<std::vector<std::string>> Ticket::ids() const {
  CAIRN_CHECK(state_->wait(TicketState::kIdentified));
  return state_->ids();
}

}  // namespace cairn
