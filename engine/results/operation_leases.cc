// SPDX-License-Identifier: Apache-2.0
//
// Operations: leases that are renewed or run out, what a process that ended has left, and the end.
#include <algorithm>
#include <system_error>
#include <utility>

#include "engine/base/background_thread.h"
#include "engine/base/errors.h"
#include "engine/results/operation_flight.h"
#include "engine/results/operation_table.h"

namespace cairn {
namespace {

// The thread looks so many times in a lease, and never more or less often than this.
constexpr std::uint64_t kLooksInALease = 4;
constexpr std::chrono::nanoseconds kShortest = std::chrono::milliseconds(1), kLongest = std::chrono::seconds(5);
constexpr std::size_t kTakenOverTogether = 1000;

std::chrono::nanoseconds pause_for(std::uint64_t lease_ns) {
  const std::chrono::nanoseconds part(static_cast<std::int64_t>(lease_ns / kLooksInALease));
  return std::clamp(part, kShortest, kLongest);
}

}  // namespace

void OperationTable::look_at_leases() {
  std::vector<Told> told;
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t now = entries_.store_time_ns();
    std::vector<FlightPtr> over;
    for (const auto& [key, flight] : flights_) {
      if (flight->token == 0) continue;
      // The process runs, and so does whoever computes in it, though the machine may have slept.
      if (flight->keep_alive) {
        flight->over_at_ns = now + flight->lease_ns;
      } else if (now >= flight->over_at_ns) {
        over.push_back(flight);
      }
    }
    for (const FlightPtr& flight : over) told.push_back(end(flight, nullptr));
  }
  for (Told& one : told) one.tell();
}

Status OperationTable::begin_thread() {
  if (!options_.background || thread_.joinable()) return {};
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error&) {
    return make_error(ErrorCode::resource_exhausted, "operations: the system starts no more threads");
  }
  return {};
}

void OperationTable::expect_lease(const Flight& flight) {
  if (!options_.background || closed_) return;
  // Claims that come and go do not wake the thread each time.
  if (const auto pause = pause_for(flight.lease_ns); pause < pause_) {
    pause_ = pause;
    leases_changed_.notify_all();
  }
}

void OperationTable::run() {
  become_background_thread("cairn-leases", 0);
  std::unique_lock lock(mutex_);
  while (!closed_) {
    if (pause_ == kIdle) {
      leases_changed_.wait(lock);
      continue;
    }
    if (leases_changed_.wait_for(lock, pause_) == std::cv_status::no_timeout) continue;
    lock.unlock();
    look_at_leases();
    lock.lock();
    pause_ = kIdle;
    for (const auto& [key, flight] : flights_) pause_ = std::min(pause_, pause_for(flight->lease_ns));
  }
}

Result<std::uint64_t> OperationTable::take_over() {
  std::uint64_t taken = 0;
  const std::string prefix = operation_state_prefix(OperationState::running);
  for (std::string from = prefix; !from.empty();) {
    std::vector<std::string> keys;
    const auto take = [&](std::string_view index_key, std::string_view) -> Result<bool> {
      keys.emplace_back(index_key.substr(prefix.size()));
      return keys.size() < kTakenOverTogether;
    };
    CAIRN_CHECK(entries_.scan_index(prefix, EntryStore::Order::ascending, from, take));
    // The smallest key behind the last one.
    from = keys.size() < kTakenOverTogether ? "" : operation_state_key(OperationState::running, keys.back()) + '\0';
    std::vector<EntryChange> changes;
    for (const std::string& key : keys) {
      CAIRN_TRY(const auto entry, entries_.find(operation_key(key)));
      if (!entry) continue;
      CAIRN_TRY(OperationRecord record, decode_operation(entry->value));
      if (record.state != OperationState::running || record.owner == options_.owner) continue;
      record.state = OperationState::failed;
      record.finished_ns = options_.wall_clock();
      record.message = "the process that had claimed it ended";
      changes.push_back({.key = operation_key(key),
                         .value = encode(record),
                         .index_keys = {operation_state_key(record.state, key)},
                         .if_version = entry->version});
    }
    if (changes.empty()) continue;
    taken += changes.size();
    CAIRN_CHECK(entries_.write(std::move(changes)));
  }
  return taken;
}

void OperationTable::close() {
  std::vector<Told> told;
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    leases_changed_.notify_all();
    while (!flights_.empty()) {
      const FlightPtr flight = flights_.begin()->second;
      flights_.erase(flights_.begin());
      flight->changed.notify_all();
      told.push_back(
          {.info = {.key = flight->key, .state = OperationState::abandoned}, .then = std::exchange(flight->then, {})});
    }
    nobody_waits_.wait(lock, [&] { return waiting_ == 0; });
  }
  for (Told& one : told) one.tell();
  if (thread_.joinable()) thread_.join();
}

Result<OperationPage> OperationTable::list(const std::string& cursor, std::size_t limit,
                                           std::optional<OperationState> state) {
  if (limit == 0) return make_error(ErrorCode::invalid_argument, "a page has at least one operation");
  std::vector<std::string> keys;
  // What is abandoned is running to its entry.
  const bool running = state == OperationState::running || state == OperationState::abandoned;
  const std::string prefix =
      !state ? operation_key("") : operation_state_prefix(running ? OperationState::running : *state);
  const auto take = [&](std::string_view key) -> Result<bool> {
    if (key.substr(prefix.size()) != cursor) keys.emplace_back(key.substr(prefix.size()));
    return keys.size() <= limit;
  };
  const std::string from = cursor.empty() ? "" : prefix + cursor;
  if (state) {
    CAIRN_CHECK(entries_.scan_index(prefix, EntryStore::Order::ascending, from,
                                    [&](std::string_view index_key, std::string_view) { return take(index_key); }));
  } else {
    CAIRN_CHECK(entries_.scan(prefix, EntryStore::Order::ascending, from,
                              [&](std::string_view key, const Entry&) { return take(key); }));
  }
  OperationPage page;
  if (keys.size() > limit) {
    keys.pop_back();
    page.next = keys.back();
  }
  for (const std::string& key : keys) {
    CAIRN_TRY(OperationInfo info, find(key));
    // It may have changed since it was found.
    if (info.state == OperationState::none || (state && info.state != *state)) continue;
    info.value.bytes.clear();
    page.operations.push_back(std::move(info));
  }
  return page;
}

Result<std::optional<Ticket>> OperationTable::remove(const std::string& key) {
  if (key.empty() || key.size() > kOperationKeyBytesMax) return std::optional<Ticket>();
  {
    const std::lock_guard lock(mutex_);
    const auto found = flights_.find(key);
    if (found != flights_.end() && !is_over(*found->second)) {
      return make_error(ErrorCode::conflict, "the operation is running: it cannot be removed");
    }
  }
  CAIRN_TRY(const auto entry, entries_.find(operation_key(key)));
  if (!entry) return std::optional<Ticket>();
  // A claim that is made meanwhile makes this a conflict.
  std::vector<EntryChange> changes;
  changes.push_back({.key = operation_key(key), .removed = true, .if_version = entry->version});
  CAIRN_TRY(auto written, entries_.write(std::move(changes)));
  return std::optional(std::move(written.ticket));
}

}  // namespace cairn
