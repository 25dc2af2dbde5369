// SPDX-License-Identifier: Apache-2.0
//
// Tells whoever waits for something far away that nobody wants it any more.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace cairn {

// Any thread. Once it is stopped it stays so.
class StopSignal {
 public:
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_.store(true);
    }
    changed_.notify_all();
  }
  bool stopped() const noexcept { return stopped_.load(); }

  // False: it was stopped, before or while it slept.
  bool sleep(std::chrono::nanoseconds time) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, time, [this] { return stopped_.load(); });
  }

 private:
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace cairn
