// SPDX-License-Identifier: Apache-2.0
#include "replication/retry.h"

#include <algorithm>
#include <random>
#include <string>
#include <thread>

namespace cairn {

RetryClock system_retry_clock() {
  return {.now = [] { return std::chrono::steady_clock::now(); },
          .sleep =
              [](std::chrono::milliseconds time) {
                std::this_thread::sleep_for(time);
                return true;
              },
          .random =
              [] {
                thread_local std::minstd_rand source{std::random_device{}()};
                return std::uniform_real_distribution<double>(0.0, 1.0)(source);
              }};
}

Retry::Retry(const RetryPolicy& policy, const RetryClock& clock)
    : policy_(policy), clock_(clock), end_(clock.now() + policy.time_max), delay_(policy.delay_first) {}

bool Retry::again(const Error& error, std::optional<std::chrono::milliseconds> wait_min) {
  if (!error.retryable || attempts_ >= policy_.attempts_max) return false;
  const auto half = std::min(delay_, policy_.delay_max) / 2;
  const auto drawn =
      half + std::chrono::milliseconds(static_cast<std::int64_t>(clock_.random() * static_cast<double>(half.count())));
  const auto wait = std::max(drawn, wait_min.value_or(drawn));
  if (wait >= end_ - clock_.now()) return false;
  if (!clock_.sleep(wait)) return false;
  delay_ = std::min(delay_ * 2, policy_.delay_max);
  ++attempts_;
  return true;
}

Error Retry::last_error(Error error) const {
  if (attempts_ > 1) error.message += " (after " + std::to_string(attempts_) + " attempts)";
  return error;
}

}  // namespace cairn
