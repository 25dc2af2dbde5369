// SPDX-License-Identifier: Apache-2.0
//
// Turns counting into Progress::report calls, at most one every 100 ms.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "cairn/progress.h"
#include "cairn/result.h"

namespace cairn {

// Owned by the thread that runs the phase. The phase ends, with a last report, when the
// meter is destroyed.
class ProgressMeter {
 public:
  ProgressMeter(const Progress& progress, const char* phase, std::uint64_t bytes_total) : progress_(progress) {
    state_.phase = phase;
    state_.bytes_total = bytes_total;
  }
  ~ProgressMeter() {
    if (progress_.report) progress_.report(state_);
  }
  ProgressMeter(const ProgressMeter&) = delete;
  ProgressMeter& operator=(const ProgressMeter&) = delete;

  void begin(std::string current) { state_.current = std::move(current); }
  void add(std::uint64_t bytes, std::uint64_t new_bytes = 0) {
    state_.bytes_done += bytes;
    state_.new_bytes += new_bytes;
    if (!progress_.report) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    progress_.report(state_);
  }
  void file_done() { ++state_.files_done; }

  void problem(const std::string& thing, const std::string& why) const {
    if (progress_.problem) progress_.problem(thing, why);
  }
  const std::stop_token& stop() const { return progress_.stop; }
  // An error of code `cancelled` once a stop was requested.
  Status check_stop() const {
    if (!progress_.stop.stop_requested()) return {};
    return Error{.code = ErrorCode::cancelled, .message = "interrupted", .retryable = true};
  }

 private:
  const Progress& progress_;
  ProgressState state_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace cairn
