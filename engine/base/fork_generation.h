// SPDX-License-Identifier: Apache-2.0
//
// Tells a child of fork() from the process that made something, for the cost of a load.
#pragma once

#include <cstdint>

namespace cairn {

// How often this process, and those before it, were forked: another number in each child than in its parent, from
// the first call on.
std::uint64_t fork_generation() noexcept;

// Also calls `in_child`, on the one thread that a child has, each time; for the life of the process.
void at_fork(void (*in_child)()) noexcept;

}  // namespace cairn
