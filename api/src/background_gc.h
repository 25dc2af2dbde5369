// SPDX-License-Identifier: Apache-2.0
//
// Reclaiming while a store is open, in a thread of its own.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "cairn/store.h"
#include "engine/index/index.h"

namespace cairn {

class GcRun;
class StoreImpl;

class BackgroundGc {
 public:
  BackgroundGc(StoreImpl& store, const ReclaimOptions& options) : store_(store), options_(options) {}
  ~BackgroundGc() { stop(); }

  // Once. resource_exhausted when the system starts no more threads.
  Status start(int nice);
  // Returns when no step is under way; none follows.
  void stop();

  // Pauses are counted. pause() returns when no step is under way.
  void pause();
  void resume();
  // For as long as it exists. `background` may be null.
  class Pause {
   public:
    explicit Pause(BackgroundGc* background) : background_(background) {
      if (background_ != nullptr) background_->pause();
    }
    ~Pause() {
      if (background_ != nullptr) background_->resume();
    }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    BackgroundGc* const background_;
  };

  ReclaimStats stats() const;

 private:
  using Clock = std::chrono::steady_clock;

  void run(int nice);
  // Whether the store takes more of its budget than the low-water mark allows.
  Result<bool> is_above_mark() const;
  // What share of the log may stay dead, when there is something to do.
  Result<std::optional<double>> wanted() const;
  // Until enough is done, somebody pauses it, or a step fails.
  void reclaim(std::unique_lock<std::mutex>& lock, double max_dead);
  Clock::duration rest_after(Clock::duration took, std::uint64_t moved_bytes) const;
  void note_failure(const Error& error);

  StoreImpl& store_;
  const ReclaimOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_, as everything below
  unsigned pauses_ = 0;
  bool running_ = false;  // a run exists
  ReclaimStats stats_;
  std::thread thread_;
};

}  // namespace cairn
