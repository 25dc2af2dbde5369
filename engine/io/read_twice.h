// SPDX-License-Identifier: Apache-2.0
//
// Telling a bad sector from a device's bad moment.
#pragma once

#include <utility>

#include "cairn/result.h"

namespace cairn {

// Calls `read` once more when it fails with ErrorCode::io: what a device cannot read twice, it
// will not read.
template <class Read>
auto read_twice(const Read& read) -> decltype(read()) {
  auto first = read();
  if (first.ok() || first.error().code != ErrorCode::io) return first;
  return read();
}

}  // namespace cairn
