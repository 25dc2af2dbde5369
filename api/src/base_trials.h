// SPDX-License-Identifier: Apache-2.0
//
// Stops looking for differences where there are none to be found.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/base/bytes.h"

namespace cairn {

// Any thread. Counts bytes. A trial that gained nothing must be paid for: by one that did, or by 128 times as
// much that was not tried. So where one gains again, what follows is tried again.
class BaseTrials {
 public:
  bool may_try(std::uint64_t bytes) {
    const std::uint64_t seen = seen_.fetch_add(bytes, std::memory_order_relaxed);
    return lost_.load(std::memory_order_relaxed) < kFree + gained_.load(std::memory_order_relaxed) + seen / 128;
  }
  void tried(std::uint64_t bytes, bool gained) {
    (gained ? gained_ : lost_).fetch_add(bytes, std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint64_t kFree = 2 * MiB;
  std::atomic<std::uint64_t> seen_ = 0, gained_ = 0, lost_ = 0;
};

}  // namespace cairn
