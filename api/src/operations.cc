// SPDX-License-Identifier: Apache-2.0
//
// Operations: the calls.
#include "cairn/operations.h"

#include <utility>

#include "api/src/store_impl.h"
#include "engine/results/operation_table.h"

namespace cairn {

Result<ClaimOutcome> Operations::claim(const std::string& key, const ClaimOptions& options) {
  CAIRN_TRY(OperationTable* const table, store_->operations());
  return table->claim(key, options);
}

Status Operations::renew(const Claim& claim) {
  CAIRN_TRY(OperationTable* const table, store_->operations());
  return table->renew(claim);
}

Result<Ticket> Operations::complete(const Claim& claim, OperationValue value, const PutOptions& options) {
  CAIRN_TRY(OperationTable* const table, store_->operations());
  return table->complete(claim, std::move(value), options);
}

Result<Ticket> Operations::fail(const Claim& claim, const std::string& message) {
  CAIRN_TRY(OperationTable* const table, store_->operations());
  return table->fail(claim, message);
}

Result<bool> Operations::is_running(const std::string& key) {
  CAIRN_TRY(OperationTable* const table, store_->operations());
  return table->is_running(key);
}

Result<OperationInfo> Operations::find(const std::string& key) {
  CAIRN_TRY(OperationTable* const table, store_->operations());
  return table->find(key);
}

Result<OperationInfo> Operations::wait(const std::string& key, std::optional<std::chrono::nanoseconds> time) {
  CAIRN_TRY(OperationTable* const table, store_->operations());
  return table->wait(key, time);
}

Status Operations::on_finished(const std::string& key, std::function<void(const OperationInfo&)> then) {
  CAIRN_TRY(OperationTable* const table, store_->operations());
  return table->on_finished(key, std::move(then));
}

Result<OperationValue> Operations::get_or_compute(const std::string& key,
                                                  const std::function<Result<OperationValue>()>& compute,
                                                  const ClaimOptions& options) {
  CAIRN_TRY(OperationTable* const table, store_->operations());
  return table->get_or_compute(key, compute, options);
}

Result<OperationPage> Operations::list(const std::string& cursor, std::size_t limit,
                                       std::optional<OperationState> state) {
  CAIRN_TRY(OperationTable* const table, store_->operations());
  return table->list(cursor, limit, state);
}

Result<bool> Operations::remove(const std::string& key) {
  CAIRN_TRY(OperationTable* const table, store_->operations());
  CAIRN_TRY(const auto ticket, table->remove(key));
  if (ticket) CAIRN_CHECK(ticket->committed().wait());
  return ticket.has_value();
}

}  // namespace cairn
