// SPDX-License-Identifier: Apache-2.0
//
// A mutex whose waiters have it in the order in which they came.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace cairn {

// Lockable, as std::unique_lock asks for. For long turns: every waiter wakes at each.
class FairMutex {
 public:
  void lock() {
    std::unique_lock guard(mutex_);
    const std::uint64_t mine = next_++;
    turned_.wait(guard, [&] { return serving_ == mine; });
  }
  bool try_lock() {
    const std::lock_guard guard(mutex_);
    if (serving_ != next_) return false;
    ++next_;
    return true;
  }
  void unlock() {
    const std::lock_guard guard(mutex_);
    ++serving_;
    turned_.notify_all();
  }
  // The holder and those who wait behind it.
  std::uint64_t present() const {
    const std::lock_guard guard(mutex_);
    return next_ - serving_;
  }
  // Whether somebody waits behind the holder.
  bool has_waiters() const {
    const std::lock_guard guard(mutex_);
    return next_ - serving_ > 1;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable turned_;
  std::uint64_t next_ = 0;     // handed out
  std::uint64_t serving_ = 0;  // has the turn, or will take it
};

}  // namespace cairn
