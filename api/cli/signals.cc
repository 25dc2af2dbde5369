// SPDX-License-Identifier: Apache-2.0
#include "api/cli/signals.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

#include "api/cli/output.h"

namespace cairn::cli {
namespace {

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&set, number);
  return set;
}

}  // namespace

Signals::Signals(std::function<void()> exit_now) : exit_now_(std::move(exit_now)) {
  const sigset_t set = handled_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { run(); });
}

Signals::~Signals() {
  ending_ = true;
  ::pthread_kill(thread_.native_handle(), SIGUSR1);
  thread_.join();
}

std::stop_token Signals::stop_token() {
  listened_ = true;
  return stop_.get_token();
}

void Signals::on_state_request(std::function<void()> print) {
  print_ = std::move(print);
  has_print_ = true;
}

void Signals::run() {
  const sigset_t set = handled_signals();
  for (;;) {
    int number = 0;
    if (::sigwait(&set, &number) != 0) continue;
    if (ending_) return;
    if (number == SIGUSR1) {
      if (has_print_) print_();
      continue;
    }
    if (!listened_ || stop_.stop_requested()) {
      exit_now_();
      ::_exit(kExitInterrupted);
    }
    stop_.request_stop();
  }
}

}  // namespace cairn::cli
