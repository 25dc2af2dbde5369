// SPDX-License-Identifier: Apache-2.0
//
// The same work for several numbers, some at a time.
#pragma once

#include <cstdint>
#include <functional>

#include "cairn/result.h"

namespace cairn::s3 {

// Calls `work` for 0 to count - 1 on up to `threads` threads, this one among them, and returns when all have ended.
// After an error no more are begun; the first one is returned. Where no thread can be started, fewer work.
Status for_each_beside(std::uint64_t count, unsigned threads, const std::function<Status(std::uint64_t)>& work);

}  // namespace cairn::s3
