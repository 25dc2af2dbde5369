// SPDX-License-Identifier: Apache-2.0
//
// Operations: waiting for them, computing them, and looking at them.
#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "engine/base/errors.h"
#include "engine/format/manifest.h"
#include "engine/results/operation_flight.h"
#include "engine/results/operation_table.h"

namespace cairn {
namespace {

// Time points near the clock's end cannot be waited for.
constexpr std::chrono::hours kForEver{24 * 365};

Error closing() { return make_error(ErrorCode::cancelled, "the store is being closed"); }

Error only_the_writer_waits() {
  return make_error(ErrorCode::unsupported, "the store is open for reading only: the process that writes it waits");
}

Result<OperationValue> call(const std::string& key, const OperationTable::Compute& compute) {
  const auto threw = [&](ErrorCode code, std::string_view what) {
    return make_error(code, "the computation of '" + printable(std::string_view(key).substr(0, 200)) +
                                "' threw: " + std::string(what));
  };
  try {
    return compute();
  } catch (const std::bad_alloc& error) {
    return threw(ErrorCode::resource_exhausted, error.what());
  } catch (const std::exception& error) {
    return threw(ErrorCode::cancelled, error.what());
  } catch (...) {
    return threw(ErrorCode::cancelled, "something that is no std::exception");
  }
}

}  // namespace

Result<bool> OperationTable::wait_for_end(std::unique_lock<std::mutex>& lock, Flight& flight,
                                          std::optional<std::chrono::steady_clock::time_point> until) {
  const auto ready = [&] { return flight.ended || closed_; };
  ++waiting_;
  bool in_time = true;
  if (until) {
    in_time = flight.changed.wait_until(lock, *until, ready);
  } else {
    flight.changed.wait(lock, ready);
  }
  if (--waiting_ == 0) nobody_waits_.notify_all();
  if (!flight.ended && closed_) return closing();
  return in_time;
}

Result<OperationInfo> OperationTable::find(const std::string& key) {
  if (key.empty() || key.size() > kOperationKeyBytesMax) return OperationInfo{.key = key};
  std::uint64_t seen = 0;
  while (true) {
    CAIRN_TRY(const auto entry, entries_.find(operation_key(key)));
    if (!entry) return OperationInfo{.key = key};
    CAIRN_TRY(const OperationRecord record, decode_operation(entry->value));
    OperationInfo info = to_info(key, record);
    if (info.state != OperationState::running || options_.read_only) return info;
    // A claim without a flight is nobody's, unless it ended since the entry was read.
    if (seen == entry->version) {
      info.state = OperationState::abandoned;
      return info;
    }
    const std::lock_guard lock(mutex_);
    const auto found = flights_.find(key);
    if (found != flights_.end() && !is_over(*found->second)) return info;
    seen = entry->version;
  }
}

std::uint64_t OperationTable::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_;
}

Result<bool> OperationTable::is_running(const std::string& key) {
  if (options_.read_only) {
    CAIRN_TRY(const OperationInfo info, find(key));
    return info.state == OperationState::running;
  }
  const std::lock_guard lock(mutex_);
  const auto found = flights_.find(key);
  return found != flights_.end() && !is_over(*found->second);
}

Result<OperationInfo> OperationTable::wait(const std::string& key, std::optional<std::chrono::nanoseconds> time) {
  if (options_.read_only) {
    return only_the_writer_waits();
  }
  std::optional<std::chrono::steady_clock::time_point> until;
  if (time) until = std::chrono::steady_clock::now() + std::min<std::chrono::nanoseconds>(*time, kForEver);
  std::unique_lock lock(mutex_);
  if (closed_) return closing();
  // Whoever takes the claim over is the next to wait for.
  for (auto found = flights_.find(key); found != flights_.end(); found = flights_.find(key)) {
    const FlightPtr flight = found->second;
    CAIRN_TRY(const bool in_time, wait_for_end(lock, *flight, until));
    if (!in_time) return running_info(*flight);
    const std::shared_ptr<const OperationInfo> outcome = flight->outcome;
    if (!outcome) continue;
    lock.unlock();
    return *outcome;
  }
  lock.unlock();
  return find(key);
}

Status OperationTable::on_finished(const std::string& key, Then then) {
  if (!then) return make_error(ErrorCode::invalid_argument, "there is nothing to call");
  if (options_.read_only) return only_the_writer_waits();
  Told told;
  do {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return closing();
      if (const auto found = flights_.find(key); found != flights_.end()) {
        found->second->then.push_back(std::move(then));
        return {};
      }
    }
    CAIRN_TRY(told.info, find(key));
    // Claimed in this moment: there is a flight now.
  } while (told.info.state == OperationState::running);
  told.then.push_back(std::move(then));
  told.tell();
  return {};
}

Result<OperationValue> OperationTable::get_or_compute(const std::string& key, const Compute& compute,
                                                      const ClaimOptions& options) {
  if (!compute) return make_error(ErrorCode::invalid_argument, "there is nothing to compute");
  const ClaimOptions kept{.lease = options.lease, .keep_alive = true};
  while (true) {
    CAIRN_TRY(Turn turn, try_claim(key, kept, true));
    if (turn.done) return std::move(turn.done->value);
    if (turn.claim) return compute_as(*turn.claim, compute);
    std::unique_lock lock(mutex_);
    if (turn.running->computing == std::this_thread::get_id() && !turn.running->ended) {
      return make_error(ErrorCode::invalid_argument,
                        "the computation of '" + printable(key.substr(0, 200)) + "' asks for its own value");
    }
    CAIRN_TRY(const bool ended, wait_for_end(lock, *turn.running, {}));
    const std::shared_ptr<const OperationInfo> outcome = turn.running->outcome;
    // Constant from here on: it has ended.
    lock.unlock();
    if (!ended || !outcome) continue;
    if (outcome->state == OperationState::done) return outcome->value;
    if (turn.running->error) return *turn.running->error;
    return make_error(ErrorCode::cancelled, outcome->message);
  }
}

Result<OperationValue> OperationTable::compute_as(const Claim& claim, const Compute& compute) {
  auto value = call(claim.key, compute);
  if (value.ok()) {
    const auto published = complete(claim, *value);
    if (published.ok()) return value;
    if (published.error().code == ErrorCode::conflict) {
      // Somebody else has taken over, and may have published: that is the value then.
      CAIRN_TRY(auto done, find_done(claim.key));
      if (done) return std::move(done->value);
      return published.error();
    }
    value = published.error();
  }
  const Error why = value.error();
  OperationRecord failed{.state = OperationState::failed, .message = why.message.substr(0, kOperationBytesMax)};
  if (finish(claim, std::move(failed), {}, why).ok()) return why;
  // Nobody knows what is in the entry, and nobody computes: whoever waits looks, and claims again.
  std::unique_lock lock(mutex_);
  Told told;
  if (const auto found = flights_.find(claim.key); found != flights_.end() && found->second->token == claim.token) {
    told = end(found->second, nullptr);
  }
  lock.unlock();
  told.tell();
  return why;
}

}  // namespace cairn
