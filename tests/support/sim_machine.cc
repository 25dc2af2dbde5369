// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sim_machine.h"

#include <algorithm>
#include <cerrno>

#include "engine/base/errors.h"
#include "tests/support/sim_survival.h"

namespace cairn::testing {

std::string SimCall::text() const {
  std::string text = std::string(verb) + " " + path;
  if (offset >= 0) text += " at " + std::to_string(offset);
  return text;
}

Status SimMachine::perform(const SimCall& call, const Action& action, const Action& wreckage) {
  const std::lock_guard guard(mutex_);
  Status status = decide_and_do(call, action, wreckage);
  trace_.emplace_back(call, status.ok());
  if (trace_.size() > kTraceCalls) trace_.pop_front();
  return status;
}

Status SimMachine::decide_and_do(const SimCall& call, const Action& action, const Action& wreckage) {
  if (crashed_) return error_from_errno(EIO, call.text() + ": the simulated power is out");
  if (call.generation != 0 && call.generation != generation_) {
    return error_from_errno(EIO, call.text() + ": opened before the simulated power loss");
  }
  Verdict verdict = plan_.count(call.side);
  if (verdict.last) {
    crashed_ = true;
    // The call was under way when the power went: what it did may survive or not.
    if (!call.makes_durable) static_cast<void>(action(disk_));
    return error_from_errno(EIO, call.text() + ": the simulated power went out");
  }
  if (verdict.error) {
    if (wreckage) static_cast<void>(wreckage(disk_));
    return std::move(*verdict.error).with_context(call.text());
  }
  if (hits_bad_sector(call)) return error_from_errno(EIO, call.text() + ": a bad sector");
  if (const int failed = action(disk_)) return error_from_errno(failed, call.text());
  return {};
}

bool SimMachine::hits_bad_sector(const SimCall& call) {
  if (call.side != Side::read || call.length <= 0) return false;
  const auto from = static_cast<std::uint64_t>(call.offset), to = from + static_cast<std::uint64_t>(call.length);
  const auto hit = std::find_if(bad_sectors_.begin(), bad_sectors_.end(), [&](const BadSector& bad) {
    return bad.path == call.path && bad.from < to && from < bad.to;
  });
  if (hit == bad_sectors_.end()) return false;
  if (hit->repeat == Repeat::once) bad_sectors_.erase(hit);
  bad_sector_was_read_ = true;
  return true;
}

void SimMachine::add_bad_sector(BadSector sector) {
  const std::lock_guard guard(mutex_);
  bad_sectors_.push_back(std::move(sector));
}

void SimMachine::clear_bad_sectors() {
  const std::lock_guard guard(mutex_);
  bad_sectors_.clear();
  bad_sector_was_read_ = false;
}

bool SimMachine::bad_sector_was_read() const {
  const std::lock_guard guard(mutex_);
  return bad_sector_was_read_;
}

void SimMachine::inspect(const std::function<void(SimDisk&)>& action) {
  const std::lock_guard guard(mutex_);
  action(disk_);
}

void SimMachine::inspect_since(std::uint64_t generation, const std::function<void(SimDisk&)>& action) {
  const std::lock_guard guard(mutex_);
  if (generation == generation_) action(disk_);
}

void SimMachine::power_loss(std::uint64_t seed, Loss loss) {
  const std::lock_guard guard(mutex_);
  disk_ = disk_.survivor(seed, loss);
  crashed_ = false;
  ++generation_;
  plan_.clear();
}

SimDisk SimMachine::survivor(std::uint64_t seed, Loss loss) const {
  const std::lock_guard guard(mutex_);
  return disk_.survivor(seed, loss);
}

bool SimMachine::crashed() const {
  const std::lock_guard guard(mutex_);
  return crashed_;
}

std::uint64_t SimMachine::generation() const {
  const std::lock_guard guard(mutex_);
  return generation_;
}

std::uint64_t SimMachine::chance() const { return mix(options_.seed, plan_.calls()); }

std::string SimMachine::trace() const {
  const std::lock_guard guard(mutex_);
  std::string lines;
  for (const auto& [call, went_well] : trace_) {
    lines += call.text();
    if (call.length >= 0) lines += ", " + std::to_string(call.length) + " bytes";
    lines += went_well ? "\n" : ": failed\n";
  }
  return lines;
}

}  // namespace cairn::testing
