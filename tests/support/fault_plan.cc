// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault_plan.h"

#include <utility>

namespace cairn::testing {

void FaultPlan::fail_at(std::uint64_t n, Error error, Repeat repeat) {
  const std::lock_guard guard(mutex_);
  write_failure_ = Failure{write_calls_ + n, std::move(error), repeat};
  fired_ = false;
}

void FaultPlan::fail_any_at(std::uint64_t n, Error error, Repeat repeat) {
  const std::lock_guard guard(mutex_);
  any_failure_ = Failure{calls_ + n, std::move(error), repeat};
  fired_ = false;
}

void FaultPlan::stop_at(std::uint64_t n) {
  const std::lock_guard guard(mutex_);
  stop_ = write_calls_ + n;
  fired_ = false;
}

void FaultPlan::clear() {
  const std::lock_guard guard(mutex_);
  write_failure_.reset();
  any_failure_.reset();
  stop_.reset();
}

bool FaultPlan::strikes(const std::optional<Failure>& failure, std::uint64_t call) {
  return failure && (call == failure->at || (failure->repeat == Repeat::forever && call > failure->at));
}

Verdict FaultPlan::count(Side side) {
  const std::lock_guard guard(mutex_);
  Verdict verdict;
  ++calls_;
  if (side == Side::write) {
    ++write_calls_;
    verdict.last = stop_ && write_calls_ == *stop_;
    if (strikes(write_failure_, write_calls_)) verdict.error = write_failure_->error;
  }
  if (strikes(any_failure_, calls_)) verdict.error = any_failure_->error;
  fired_ = fired_ || verdict.last || verdict.error;
  return verdict;
}

std::uint64_t FaultPlan::calls() const {
  const std::lock_guard guard(mutex_);
  return calls_;
}

std::uint64_t FaultPlan::write_calls() const {
  const std::lock_guard guard(mutex_);
  return write_calls_;
}

bool FaultPlan::fired() const {
  const std::lock_guard guard(mutex_);
  return fired_;
}

}  // namespace cairn::testing
