// SPDX-License-Identifier: Apache-2.0
#include "api/cli/session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <condition_variable>
#include <iostream>
#include <mutex>

#include "cairn/environment.h"

namespace cairn::cli {

Session::Session(const GlobalFlags& flags, bool lines)
    : flags_(flags),
      lines_(lines),
      output_({.json = flags.json, .quiet = flags.quiet, .no_color = flags.no_color}),
      meter_(output_, lines),
      signals_([json = flags.json] { print_exit_error(json, kExitInterrupted, "cancelled", "interrupted"); }) {
  signals_.on_state_request([this] { meter_.print_state(); });
}

Result<std::string> Session::store_path() const {
  if (!flags_.store.empty()) return flags_.store;
  return Error{.code = ErrorCode::invalid_argument, .message = "which store? Give --store DIR, or set CAIRN_STORE"};
}

Result<Store> Session::open_store(Access access) {
  CAIRN_TRY(const std::string path, store_path());
  CAIRN_TRY(const StoreOptions options, options_from_environment({.access = access}));
  CAIRN_TRY(Store store, Store::open(path, options, progress()));
  meter_.clear();
  if (output_.quiet()) return store;
  const RecoveryReport& recovery = store.info().recovery;
  if (recovery.index_rebuilt) {
    print_note(fmt::format("the index was missing or in doubt and was rebuilt from the log ({} records)",
                           recovery.records_replayed));
  }
  if (recovery.torn_bytes > 0) {
    print_note(fmt::format("a write that never finished was cut from the log: {} bytes", recovery.torn_bytes));
  }
  if (!recovery.damage.empty()) {
    print_note(fmt::format("the log is damaged in {}; see 'cairn check'",
                           count_text(recovery.damage.size(), "place", "places")));
  }
  return store;
}

Status Session::confirm(const std::string& what) {
  if (flags_.yes) return {};
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0 || output_.json()) {
    return Error{.code = ErrorCode::invalid_argument,
                 .message = printable(what) + ": say --yes, or --dry-run to see what it would do"};
  }
  std::fputs(("cairn: " + printable(what) + "? [y/N] ").c_str(), stderr);
  std::string answer;
  std::getline(std::cin, answer);
  CAIRN_CHECK(check_stop());
  if (answer == "y" || answer == "yes") return {};
  return Error{.code = ErrorCode::cancelled, .message = "nothing was done"};
}

Progress Session::progress() {
  Progress progress;
  progress.report = [this](const ProgressState& state) { meter_.update(state); };
  progress.problem = [this](const std::string& thing, const std::string& why) { report_problem(thing, why); };
  progress.stop = signals_.stop_token();
  return progress;
}

Status Session::check_stop() {
  if (!signals_.stop_requested()) return {};
  return Error{.code = ErrorCode::cancelled, .message = "interrupted"};
}

Status Session::wait(std::chrono::milliseconds time) {
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any().wait_for(lock, signals_.stop_token(), time, [] { return false; });
  return check_stop();
}

void Session::report_problem(const std::string& thing, const std::string& why) {
  meter_.clear();
  if (output_.json() && lines_) {
    output_.line("error", {{"item", thing}, {"message", why}});
  } else {
    print_note(fmt::format("{}: {}", thing, why));
  }
}

void Session::summary(Json fields) {
  if (!output_.json()) return;
  fields["seconds"] = seconds();
  if (lines_) {
    output_.line("summary", fields);
  } else {
    output_.document(std::move(fields));
  }
}

double Session::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

}  // namespace cairn::cli
