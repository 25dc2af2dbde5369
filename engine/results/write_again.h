// SPDX-License-Identifier: Apache-2.0
//
// Repeats a write that relies on what it has read, for as long as somebody else was first.
#pragma once

#include "engine/base/errors.h"
#include "engine/results/entry_store.h"

namespace cairn {

// Others who write the same entries make progress each time, so that few attempts are a lot.
inline constexpr int kWriteAttemptsMax = 64;

// `attempt` reads and writes, and returns a Result. The last conflict is returned.
template <class Attempt>
auto write_again(const Attempt& attempt) -> decltype(attempt()) {
  for (int i = 1;; ++i) {
    auto result = attempt();
    if (result.ok() || result.error().code != ErrorCode::conflict || i == kWriteAttemptsMax) return result;
  }
}

}  // namespace cairn
