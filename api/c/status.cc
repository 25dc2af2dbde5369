// SPDX-License-Identifier: Apache-2.0
//
// Errors, versions and memory of the C interface.
#include "api/c/handle.h"
#include "cairn/version.h"

namespace cairn::c {
namespace {

struct Failure {
  std::string message;
  int sys_errno = 0;
  bool retryable = false;
};
thread_local Failure last;

}  // namespace

cairn_code code_of(ErrorCode code) noexcept { return static_cast<cairn_code>(static_cast<int>(code) + 1); }

cairn_code failed(Error error) noexcept {
  last.sys_errno = error.sys_errno;
  last.retryable = error.retryable;
  last.message = std::move(error.message);
  // So short that it takes no memory.
  if (last.message.empty() && error.code == ErrorCode::resource_exhausted) last.message = "out of memory";
  return code_of(error.code);
}

static_assert(static_cast<int>(ErrorCode::invalid_argument) + 1 == CAIRN_INVALID_ARGUMENT);
static_assert(static_cast<int>(ErrorCode::not_found) + 1 == CAIRN_NOT_FOUND);
static_assert(static_cast<int>(ErrorCode::no_store) + 1 == CAIRN_NO_STORE);
static_assert(static_cast<int>(ErrorCode::already_exists) + 1 == CAIRN_ALREADY_EXISTS);
static_assert(static_cast<int>(ErrorCode::held) + 1 == CAIRN_HELD);
static_assert(static_cast<int>(ErrorCode::corruption) + 1 == CAIRN_CORRUPTION);
static_assert(static_cast<int>(ErrorCode::unsupported) + 1 == CAIRN_UNSUPPORTED);
static_assert(static_cast<int>(ErrorCode::no_space) + 1 == CAIRN_NO_SPACE);
static_assert(static_cast<int>(ErrorCode::io) + 1 == CAIRN_IO);
static_assert(static_cast<int>(ErrorCode::poisoned) + 1 == CAIRN_POISONED);
static_assert(static_cast<int>(ErrorCode::cancelled) + 1 == CAIRN_CANCELLED);
static_assert(static_cast<int>(ErrorCode::resource_exhausted) + 1 == CAIRN_RESOURCE_EXHAUSTED);
static_assert(static_cast<int>(ErrorCode::overloaded) + 1 == CAIRN_OVERLOADED);
static_assert(static_cast<int>(ErrorCode::conflict) + 1 == CAIRN_CONFLICT);

}  // namespace cairn::c

extern "C" {

const char* cairn_code_name(cairn_code status) {
  if (status == CAIRN_OK) return "ok";
  if (status == CAIRN_PENDING) return "pending";
  if (status < CAIRN_INVALID_ARGUMENT || status > CAIRN_CONFLICT) return "unknown";
  // The names are literals.
  return cairn::error_code_name(static_cast<cairn::ErrorCode>(status - 1)).data();
}

const char* cairn_error_message(void) { return cairn::c::last.message.c_str(); }
int cairn_error_errno(void) { return cairn::c::last.sys_errno; }
int cairn_error_is_retryable(void) { return cairn::c::last.retryable ? 1 : 0; }

const char* cairn_version(void) { return CAIRN_VERSION; }

void cairn_free(void* memory) { std::free(memory); }

}  // extern "C"
