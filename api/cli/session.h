// SPDX-License-Identifier: Apache-2.0
//
// What a verb is given: the global flags, a way to print, the store, progress and signals.
#pragma once

#include <chrono>
#include <string>

#include "api/cli/output.h"
#include "api/cli/progress_meter.h"
#include "api/cli/signals.h"
#include "cairn/store.h"

namespace cairn::cli {

struct GlobalFlags {
  std::string store;
  bool json = false, quiet = false, no_color = false;
  bool yes = false;  // to whatever would be asked
};

class Session {
 public:
  // `lines`: with --json this verb prints JSON Lines, with status and problems on the way.
  Session(const GlobalFlags& flags, bool lines);

  Output& out() noexcept { return output_; }
  const GlobalFlags& flags() const noexcept { return flags_; }

  // The folder given by --store or CAIRN_STORE; invalid_argument when neither is.
  Result<std::string> store_path() const;
  // Opens it, and says what recovery had to do.
  Result<Store> open_store(Access access);

  // Before something goes for good: `what` was agreed to, by --yes or on the terminal.
  // invalid_argument when there is nobody to ask.
  Status confirm(const std::string& what);

  // For a long call: shows how far it is, reports problems, and lets SIGINT stop it.
  Progress progress();
  // For a sink that takes long without Progress: the error to return once a stop is asked for.
  Status check_stop();

  // Sleeps, and wakes up at once when a stop is asked for: then the same error.
  Status wait(std::chrono::milliseconds time);

  // The end of a verb: adds the seconds it took, and prints the last line of a long verb or
  // the document of a short one. With JSON only.
  void summary(Json fields);
  double seconds() const;

  // Takes the progress bar away before results are printed.
  void clear_progress() { meter_.clear(); }

 private:
  void report_problem(const std::string& thing, const std::string& why);

  const GlobalFlags flags_;
  const bool lines_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  Output output_;
  ProgressMeter meter_;
  Signals signals_;  // last: its thread uses what is above
};

}  // namespace cairn::cli
