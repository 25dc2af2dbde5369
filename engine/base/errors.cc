// SPDX-License-Identifier: Apache-2.0
#include "engine/base/errors.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace cairn {

std::string_view error_code_name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::no_store: return "no_store";
    case ErrorCode::already_exists: return "already_exists";
    case ErrorCode::held: return "held";
    case ErrorCode::corruption: return "corruption";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::no_space: return "no_space";
    case ErrorCode::io: return "io";
    case ErrorCode::poisoned: return "poisoned";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::resource_exhausted: return "resource_exhausted";
    case ErrorCode::overloaded: return "overloaded";
    case ErrorCode::conflict: return "conflict";
  }
  return "unknown";
}

Error error_from_errno(int sys_errno, std::string_view what) {
  Error error;
  error.sys_errno = sys_errno;
  error.message = std::string(what) + ": " + std::system_category().message(sys_errno);
  switch (sys_errno) {
    case ENOSPC:
    case EDQUOT:
      error.code = ErrorCode::no_space;
      error.retryable = true;
      break;
    case ENOENT:
    case ENOTDIR: error.code = ErrorCode::not_found; break;
    case EEXIST:
    case ENOTEMPTY: error.code = ErrorCode::already_exists; break;
    case EINVAL:
    case ENAMETOOLONG: error.code = ErrorCode::invalid_argument; break;
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      error.code = ErrorCode::resource_exhausted;
      error.retryable = true;
      break;
    default: error.code = ErrorCode::io;
  }
  return error;
}

void invariant_failed(const char* what, const char* file, int line) noexcept {
  std::fprintf(stderr, "cairn: invariant does not hold: %s (%s:%d); stopping before data is lost\n", what, file, line);
  std::abort();
}

}  // namespace cairn
