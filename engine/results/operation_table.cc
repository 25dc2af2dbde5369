// SPDX-License-Identifier: Apache-2.0
//
// Operations: claiming, and what ends a claim.
#include "engine/results/operation_table.h"

#include <algorithm>
#include <utility>

#include "engine/base/errors.h"
#include "engine/format/manifest.h"
#include "engine/results/evaluation_entry.h"
#include "engine/results/experiment_table.h"
#include "engine/results/operation_flight.h"
#include "engine/results/write_again.h"

namespace cairn {
namespace {

Status check_key(std::string_view key) {
  if (!key.empty() && key.size() <= kOperationKeyBytesMax) return {};
  return make_error(ErrorCode::invalid_argument,
                    "an operation's key has 1 to " + std::to_string(kOperationKeyBytesMax) + " bytes");
}

std::string quoted(std::string_view key) { return "'" + printable(key.substr(0, 200)) + "'"; }

Error closing() { return make_error(ErrorCode::cancelled, "the store is being closed"); }

Error lost(std::string_view key) {
  return make_error(ErrorCode::conflict, "the claim of operation " + quoted(key) + " is lost");
}

}  // namespace

OperationTable::OperationTable(EntryStore& entries, OperationTableOptions options)
    : entries_(entries), options_([&] {
        if (!options.wall_clock) options.wall_clock = wall_clock_ns;
        return std::move(options);
      }()) {}

OperationTable::~OperationTable() { close(); }

void OperationTable::Told::tell() noexcept {
  if (flight) flight->changed.notify_all();
  for (const Then& one : then) {
    // No exception crosses the border, and nobody is there who could be told.
    try {
      one(info);
    } catch (...) {
      continue;
    }
  }
}

OperationTable::FlightPtr OperationTable::held(const Claim& claim) const {
  const auto found = flights_.find(claim.key);
  if (found == flights_.end() || found->second->token != claim.token || claim.token == 0) return nullptr;
  if (is_over(*found->second)) return nullptr;
  return found->second;
}

bool OperationTable::is_over(const Flight& flight) const {
  // A lease that is kept alive lasts as long as this process, and no claim lasts longer: what is late because the
  // machine slept, or was busy, is held all the same.
  return flight.token != 0 && !flight.keep_alive && entries_.store_time_ns() >= flight.over_at_ns;
}

OperationInfo OperationTable::running_info(const Flight& flight) const {
  return flight.token != 0 ? to_info(flight.key, flight.claimed)
                           : OperationInfo{.key = flight.key, .state = OperationState::running};
}

OperationTable::Told OperationTable::end(const FlightPtr& ending, std::shared_ptr<const OperationInfo> outcome,
                                         std::optional<Error> error) {
  if (ending->ended) return {};
  // `ending` may be the pointer that is erased.
  Told told{.flight = ending, .info = {.key = ending->key, .state = OperationState::abandoned}, .then = {}};
  Flight& flight = *told.flight;
  flight.ended = true;
  flight.outcome = std::move(outcome);
  flight.error = std::move(error);
  if (flight.outcome) told.info = *flight.outcome;
  told.then = std::exchange(flight.then, {});
  if (const auto found = flights_.find(flight.key); found != flights_.end() && found->second == told.flight) {
    flights_.erase(found);
  }
  return told;
}

Result<std::optional<OperationInfo>> OperationTable::find_done(const std::string& key) {
  CAIRN_CHECK(check_key(key));
  CAIRN_TRY(const auto entry, entries_.find(operation_key(key)));
  if (!entry) return std::optional<OperationInfo>();
  CAIRN_TRY(const OperationRecord record, decode_operation(entry->value));
  if (record.state != OperationState::done) return std::optional<OperationInfo>();
  return std::optional(to_info(key, record));
}

Result<OperationTable::Turn> OperationTable::try_claim(const std::string& key, const ClaimOptions& options,
                                                       bool computes_here) {
  // What is done is found without a lock.
  CAIRN_TRY(auto done, find_done(key));
  if (done) return Turn{.claim = {}, .running = {}, .done = std::move(done)};
  if (options_.read_only) return make_error(ErrorCode::unsupported, "the store is open for reading only");
  if (options.lease <= std::chrono::nanoseconds(0)) {
    return make_error(ErrorCode::invalid_argument, "a lease takes some time");
  }
  const auto flight = std::make_shared<Flight>();
  flight->key = key;
  flight->lease_ns = static_cast<std::uint64_t>(options.lease.count());
  flight->keep_alive = options.keep_alive;
  if (computes_here) flight->computing = std::this_thread::get_id();
  Told lost;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return closing();
    CAIRN_CHECK(begin_thread());
    const auto found = flights_.find(key);
    if (found != flights_.end() && !is_over(*found->second)) {
      return Turn{.claim = {}, .running = found->second, .done = {}};
    }
    if (found != flights_.end()) {
      // Those who wait for the claim that is lost find this one; callbacks are for whoever ends it.
      flight->then = std::exchange(found->second->then, {});
      lost = end(found->second, nullptr);
    }
    flights_.emplace(key, flight);
  }
  lost.tell();
  auto turn = write_again([&] { return write_claim(flight); });
  if (turn.ok() && turn->claim) return turn;
  std::unique_lock lock(mutex_);
  std::shared_ptr<const OperationInfo> outcome;
  if (turn.ok()) outcome = std::make_shared<const OperationInfo>(*turn->done);
  Told told = end(flight, std::move(outcome));
  lock.unlock();
  told.tell();
  return turn;
}

// The flight is in flights_ without a token: nobody else claims the key.
Result<OperationTable::Turn> OperationTable::write_claim(const FlightPtr& flight) {
  CAIRN_TRY(const auto entry, entries_.find(operation_key(flight->key)));
  OperationRecord before;
  if (entry) {
    CAIRN_TRY(before, decode_operation(entry->value));
    // Whoever lost the claim may have been quicker.
    if (before.state == OperationState::done) {
      return Turn{.claim = {}, .running = {}, .done = to_info(flight->key, before)};
    }
  }
  const OperationRecord record{.state = OperationState::running,
                               .owner = options_.owner,
                               .attempts = before.attempts + 1,
                               .claimed_ns = options_.wall_clock()};
  std::vector<EntryChange> changes;
  changes.push_back({.key = operation_key(flight->key),
                     .value = encode(record),
                     .index_keys = {operation_state_key(record.state, flight->key)},
                     .if_version = entry ? entry->version : 0});
  CAIRN_TRY(const auto written, entries_.write(std::move(changes)));
  const std::lock_guard lock(mutex_);
  flight->claimed = record;
  flight->token = written.version;
  flight->over_at_ns = entries_.store_time_ns() + flight->lease_ns;
  expect_lease(*flight);
  return Turn{.claim = Claim{.key = flight->key, .token = flight->token}, .running = {}, .done = {}};
}

Result<ClaimOutcome> OperationTable::claim(const std::string& key, const ClaimOptions& options) {
  CAIRN_TRY(Turn turn, try_claim(key, options, false));
  if (turn.done) return ClaimOutcome{.claim = {}, .operation = *std::move(turn.done)};
  if (turn.claim) {
    const std::lock_guard lock(mutex_);
    const FlightPtr flight = held(*turn.claim);
    OperationInfo info{.key = key, .state = OperationState::running};
    if (flight) info = running_info(*flight);
    return ClaimOutcome{.claim = std::move(turn.claim), .operation = std::move(info)};
  }
  const std::lock_guard lock(mutex_);
  return ClaimOutcome{.claim = {}, .operation = running_info(*turn.running)};
}

Status OperationTable::renew(const Claim& claim) {
  const std::lock_guard lock(mutex_);
  if (closed_) return closing();
  const FlightPtr flight = held(claim);
  if (!flight) return lost(claim.key);
  flight->over_at_ns = entries_.store_time_ns() + flight->lease_ns;
  return {};
}

Result<Ticket> OperationTable::complete(const Claim& claim, OperationValue value, const PutOptions& options) {
  if (value.bytes.size() > kOperationBytesMax) {
    return make_error(ErrorCode::invalid_argument, "the value of operation " + quoted(claim.key) + " has more than " +
                                                       std::to_string(kOperationBytesMax) + " bytes");
  }
  CAIRN_CHECK(check_plain_name("serializer", value.serializer, kSerializerBytesMax));
  return finish(
      claim,
      {.state = OperationState::done, .serializer = std::move(value.serializer), .bytes = std::move(value.bytes)},
      options);
}

Result<Ticket> OperationTable::fail(const Claim& claim, const std::string& message) {
  return finish(claim, {.state = OperationState::failed, .message = message.substr(0, kOperationBytesMax)}, {});
}

Result<Ticket> OperationTable::finish(const Claim& claim, OperationRecord record, const PutOptions& options,
                                      std::optional<Error> error) {
  FlightPtr flight;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return closing();
    flight = held(claim);
    if (!flight) return lost(claim.key);
    record.owner = flight->claimed.owner;
    record.attempts = flight->claimed.attempts;
    record.claimed_ns = flight->claimed.claimed_ns;
  }
  record.finished_ns = options_.wall_clock();
  std::vector<EntryChange> changes;
  changes.push_back({.key = operation_key(claim.key),
                     .value = encode(record),
                     .index_keys = {operation_state_key(record.state, claim.key)},
                     // Here, and not before, it is decided whether the claim is still held.
                     .if_version = claim.token});
  auto written = entries_.write(std::move(changes), options);
  const bool conflict = !written.ok() && written.error().code == ErrorCode::conflict;
  if (!written.ok() && !conflict) return std::move(written).error();
  std::shared_ptr<const OperationInfo> outcome;
  if (!conflict) outcome = std::make_shared<const OperationInfo>(to_info(claim.key, record));
  std::unique_lock lock(mutex_);
  Told told = end(flight, std::move(outcome), std::move(error));
  lock.unlock();
  told.tell();
  if (conflict) return lost(claim.key);
  return std::move(written->ticket);
}

}  // namespace cairn
