// SPDX-License-Identifier: Apache-2.0
//
// Shows how far a long call is: a bar on a terminal, a line every ten seconds elsewhere,
// JSON status lines, and its state on request.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

#include "api/cli/output.h"
#include "cairn/progress.h"

namespace cairn::cli {

// update() and finish() belong to the thread that makes the long call; print_state() may
// be called by any. Nothing is shown in the first second.
class ProgressMeter {
 public:
  // With `lines` and --json, status lines go to stdout; without, JSON is never mixed in.
  ProgressMeter(Output& output, bool lines);

  void update(const ProgressState& state);
  // Takes the bar away, so that other text can be printed.
  void clear();
  // To stderr, for SIGUSR1.
  void print_state();

 private:
  using Clock = std::chrono::steady_clock;

  void print_status(double seconds) const;
  void draw_bar(double seconds);
  std::string state_text(double seconds) const;

  Output& output_;
  const bool lines_;
  const bool bar_;
  const Clock::time_point started_ = Clock::now();

  std::mutex mutex_;
  ProgressState state_;
  Clock::time_point phase_started_ = started_;
  Clock::time_point last_shown_ = started_;
  bool bar_shown_ = false;
};

}  // namespace cairn::cli
