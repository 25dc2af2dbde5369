// SPDX-License-Identifier: Apache-2.0
#include "engine/write/byte_budget.h"

#include "engine/base/errors.h"

namespace cairn {

void ByteBudget::Turn::acquire(std::uint64_t bytes) {
  std::unique_lock lock(budget_.mutex_);
  budget_.released_.wait(lock, [&] { return budget_.fits(bytes); });
  budget_.used_ += bytes;
}

bool ByteBudget::Turn::try_acquire(std::uint64_t bytes) {
  const std::lock_guard lock(budget_.mutex_);
  if (!budget_.fits(bytes)) return false;
  budget_.used_ += bytes;
  return true;
}

void ByteBudget::release(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  CAIRN_INVARIANT(used_ >= bytes);
  used_ -= bytes;
  released_.notify_all();
}

void ByteBudget::open_up() {
  const std::lock_guard lock(mutex_);
  open_ = true;
  released_.notify_all();
}

std::uint64_t ByteBudget::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

}  // namespace cairn
