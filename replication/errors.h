// SPDX-License-Identifier: Apache-2.0
//
// Short ways to make an Error of a mirror.
#pragma once

#include <string>
#include <utility>

#include "cairn/result.h"

namespace cairn::mirror {

inline Error make_error(ErrorCode code, std::string message) {
  return Error{.code = code, .message = std::move(message)};
}

}  // namespace cairn::mirror
