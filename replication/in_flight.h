// SPDX-License-Identifier: Apache-2.0
//
// Requests that are under way at the same time, a bounded number of them, whose results are taken in the order in which
// they were begun. A remote is slow to answer and each request waits on a thread of its own: a thread costs some
// microseconds, a request at least some hundred.
#pragma once

#include <deque>
#include <functional>
#include <future>
#include <optional>
#include <system_error>
#include <utility>

#include "cairn/result.h"

namespace cairn::mirror {

// Owned by one thread. Destroying it waits for what is under way.
template <class T>
class InFlight {
 public:
  using Take = std::function<Status(T)>;
  InFlight(std::size_t at_most, Take take) : at_most_(at_most > 0 ? at_most : 1), take_(std::move(take)) {}

  // Waits for the oldest when as many as may be are under way. The first error of a request, or of taking its result,
  // is returned, and nothing is begun any more.
  Status begin(const std::function<Result<T>()>& request) {
    while (requests_.size() >= at_most_) CAIRN_CHECK(take_oldest());
    if (failed_) return *failed_;
    try {
      requests_.push_back(std::async(std::launch::async, request));
    } catch (const std::system_error&) {
      // The process may have no more threads.
      std::promise<Result<T>> here;
      here.set_value(request());
      requests_.push_back(here.get_future());
    }
    return {};
  }
  // All of them are done.
  Status finish() {
    while (!requests_.empty()) CAIRN_CHECK(take_oldest());
    return failed_ ? Status(*failed_) : Status();
  }

 private:
  Status take_oldest() {
    Result<T> result = requests_.front().get();
    requests_.pop_front();
    Status taken;
    if (!failed_) taken = result.ok() ? take_(std::move(result).value()) : Status(std::move(result).error());
    if (!taken.ok()) failed_ = taken.error();
    return taken;
  }

  const std::size_t at_most_;
  const Take take_;
  std::deque<std::future<Result<T>>> requests_;
  std::optional<Error> failed_;
};

}  // namespace cairn::mirror
