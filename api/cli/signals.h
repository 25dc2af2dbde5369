// SPDX-License-Identifier: Apache-2.0
//
// Signals as events on a thread of their own, where anything may be done, instead of in a
// handler, where almost nothing may.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <thread>

namespace cairn::cli {

// Made in main before any other thread, so that every thread inherits the blocked signals.
//
// SIGINT and SIGTERM request a stop when the work at hand listens for one, and end the
// process at once when it does not, or when they come again: a store needs no farewell.
// SIGUSR1 calls what on_state_request() was given.
class Signals {
 public:
  explicit Signals(std::function<void()> exit_now);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // From now on the work listens to it.
  std::stop_token stop_token();
  bool stop_requested() const noexcept { return stop_.stop_requested(); }
  // `print` is called on the signals' thread. Once, before the work begins.
  void on_state_request(std::function<void()> print);

 private:
  void run();

  const std::function<void()> exit_now_;
  std::stop_source stop_;
  std::atomic<bool> listened_ = false, has_print_ = false, ending_ = false;
  std::function<void()> print_;
  std::thread thread_;
};

}  // namespace cairn::cli
