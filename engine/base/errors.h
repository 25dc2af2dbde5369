// SPDX-License-Identifier: Apache-2.0
//
// Short ways to make an Error, and the invariant check that stays on in release builds.
#pragma once

#include <string>

#include "cairn/result.h"

namespace cairn {

inline Error make_error(ErrorCode code, std::string message) {
  return Error{.code = code, .message = std::move(message)};
}

// Translates errno: ENOSPC and EDQUOT become no_space, ENOENT not_found, and so on.
// `what` says what was being done to which file: "write log/00000001.seg at 8192".
Error error_from_errno(int sys_errno, std::string_view what);

// Ends the process, after printing `what`: for a durability invariant that does not
// hold, where going on could lose data. Never for the world's errors.
[[noreturn]] void invariant_failed(const char* what, const char* file, int line) noexcept;

}  // namespace cairn

#define CAIRN_INVARIANT(condition)                               \
  do {                                                           \
    if (!(condition)) [[unlikely]]                               \
      ::cairn::invariant_failed(#condition, __FILE__, __LINE__); \
  } while (false)
