// SPDX-License-Identifier: Apache-2.0
//
// What all waiting has in common: handlers run until what is awaited is there or the time is over.
#pragma once

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>

#include "replication/s3/connection.h"
#include "replication/stop_signal.h"

namespace cairn::s3 {

// One thread.
class EventLoop {
 public:
  // Waiting is over as well when `stop` says so; null: nothing does. Borrowed.
  explicit EventLoop(const StopSignal* stop) : stop_(stop) {}

  boost::asio::io_context& context() { return context_; }

  // `limit` is asked before each wait. False: it is over; what is pending is still pending.
  template <class Done, class Limit>
  bool run(const Done& done, const Limit& limit) {
    while (!done()) {
      context_.restart();
      if (stop_ != nullptr && stop_->stopped()) return false;
      const Deadline until = limit();
      const Deadline look = std::chrono::steady_clock::now() + kLookAtStop;
      const std::size_t ran = context_.run_one_until(stop_ != nullptr ? std::min(until, look) : until);
      if (ran == 0 && std::chrono::steady_clock::now() >= until) return false;
    }
    return true;
  }
  // After whatever is pending was cancelled: no handler may outlive what it refers to.
  void drain() {
    context_.restart();
    context_.run();
  }

 private:
  static constexpr std::chrono::milliseconds kLookAtStop{100};

  const StopSignal* const stop_;
  boost::asio::io_context context_{1};
};

}  // namespace cairn::s3
