// SPDX-License-Identifier: Apache-2.0
//
// Whether what failed is tried again, and when: the one place where that is decided.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "cairn/result.h"

namespace cairn {

struct RetryPolicy {
  // The first one included; 1 tries nothing again.
  unsigned attempts_max = 8;
  // The longest that the first wait may be. It doubles with each attempt, up to `delay_max`; each wait is drawn evenly
  // from its upper half, so that many who failed at once do not come back at once.
  std::chrono::milliseconds delay_first{100};
  std::chrono::milliseconds delay_max{10'000};
  // From the first attempt on. No attempt begins after it, and a server that asks to be left alone for longer is not
  // waited for.
  std::chrono::milliseconds time_max{120'000};
};

// The time and chance, so that tests have their own. Any thread.
struct RetryClock {
  std::function<std::chrono::steady_clock::time_point()> now;
  // False: there is to be no more waiting, nor trying.
  std::function<bool(std::chrono::milliseconds)> sleep;
  std::function<double()> random;  // from 0 to 1, without 1
};
RetryClock system_retry_clock();

// The attempts of one call. One thread.
class Retry {
 public:
  // Both are borrowed.
  Retry(const RetryPolicy& policy, const RetryClock& clock);

  // After an attempt that failed: waits and says true, or says false at once when it is to be the last. That is when
  // the error is not retryable, or there were enough attempts or time. `wait_min`: what the server asked for.
  bool again(const Error& error, std::optional<std::chrono::milliseconds> wait_min = std::nullopt);

  unsigned attempts() const noexcept { return attempts_; }
  // With the number of attempts, where there were several.
  Error last_error(Error error) const;

 private:
  const RetryPolicy& policy_;
  const RetryClock& clock_;
  const std::chrono::steady_clock::time_point end_;
  std::chrono::milliseconds delay_;
  unsigned attempts_ = 1;
};

}  // namespace cairn
