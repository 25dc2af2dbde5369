// SPDX-License-Identifier: Apache-2.0
//
// How many bytes may be on their way in, granted in the order of asking.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "engine/base/fair_mutex.h"

namespace cairn {

// Any thread.
class ByteBudget {
 public:
  explicit ByteBudget(std::uint64_t limit) : limit_(limit) {}

  // Stands in line for grants: nobody behind is granted anything while it lives.
  class Turn {
   public:
    explicit Turn(ByteBudget& budget) : budget_(budget), line_(budget.line_) {}
    Turn(ByteBudget& budget, std::try_to_lock_t) : budget_(budget), line_(budget.line_, std::try_to_lock) {}
    bool first() const { return line_.owns_lock(); }  // false: others wait before

    // Waits for room: `bytes` below the limit, or nothing granted at all.
    void acquire(std::uint64_t bytes);
    // False instead of waiting.
    bool try_acquire(std::uint64_t bytes);

   private:
    ByteBudget& budget_;
    std::unique_lock<FairMutex> line_;
  };

  void release(std::uint64_t bytes);
  // Grants everything from now on: whoever waits learns elsewhere that it is over.
  void open_up();

  std::uint64_t limit() const noexcept { return limit_; }
  std::uint64_t used() const;
  // Those who have a turn, or wait for theirs.
  std::uint64_t in_line() const { return line_.present(); }

 private:
  bool fits(std::uint64_t bytes) const { return open_ || used_ == 0 || (bytes <= limit_ && used_ <= limit_ - bytes); }

  const std::uint64_t limit_;
  FairMutex line_;
  mutable std::mutex mutex_;
  std::condition_variable released_;
  std::uint64_t used_ = 0;  // guarded by mutex_, as are the others
  bool open_ = false;
};

}  // namespace cairn
