// SPDX-License-Identifier: Apache-2.0
#include "engine/base/fork_generation.h"

#include <pthread.h>

#include <atomic>

namespace cairn {
namespace {

constinit std::atomic<std::uint64_t> generation = 1;

}  // namespace

std::uint64_t fork_generation() noexcept {
  // Memory that is used up when a process begins is the only reason to fail: a child is then not told.
  static const int registered = ::pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1); });
  static_cast<void>(registered);
  return generation.load(std::memory_order_relaxed);
}

void at_fork(void (*in_child)()) noexcept { static_cast<void>(::pthread_atfork(nullptr, nullptr, in_child)); }

}  // namespace cairn
