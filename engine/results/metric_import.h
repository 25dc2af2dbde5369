// SPDX-License-Identifier: Apache-2.0
//
// How imports log a row that a file has, whatever its width and the log's policy.
#pragma once

#include <algorithm>
#include <optional>
#include <span>

#include "engine/results/metric_log.h"

namespace cairn {

// Rows that are too wide for one become several of the same step and time. A ring that is full is waited for, since a
// file can wait.
inline Status log_all(MetricLog& log, std::uint32_t run, std::int64_t step, std::span<const NamedMetric> values,
                      std::optional<std::int64_t> time_ns) {
  while (!values.empty()) {
    const auto some = values.first(std::min(values.size(), MetricLog::kRowValuesMax));
    Status status = log.log(run, step, some, time_ns);
    if (!status.ok() && status.error().code == ErrorCode::overloaded) {
      CAIRN_CHECK(log.flush());
      status = log.log(run, step, some, time_ns);
    }
    CAIRN_CHECK(std::move(status));
    values = values.subspan(some.size());
  }
  return {};
}

}  // namespace cairn
