// SPDX-License-Identifier: Apache-2.0
//
// What all waiting has in common: handlers run until what is awaited is there or the time is over.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>

#include "replication/s3/connection.h"

namespace cairn::s3 {

// One thread.
class EventLoop {
 public:
  boost::asio::io_context& context() { return context_; }

  // `limit` is asked before each wait. False: it is over; what is pending is still pending.
  template <class Done, class Limit>
  bool run(const Done& done, const Limit& limit) {
    while (!done()) {
      context_.restart();
      const Deadline until = limit();
      if (context_.run_one_until(until) == 0 && std::chrono::steady_clock::now() >= until) return false;
    }
    return true;
  }
  // After whatever is pending was cancelled: no handler may outlive what it refers to.
  void drain() {
    context_.restart();
    context_.run();
  }

 private:
  boost::asio::io_context context_{1};
};

}  // namespace cairn::s3
