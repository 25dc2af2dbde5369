// SPDX-License-Identifier: Apache-2.0
//
// The two write queues of the posix file system. `file` outlives them.
#pragma once

#include "engine/io/posix_file.h"

namespace cairn {

// Writes with pwritev inside submit(); wait_one() hands out what came of it.
std::unique_ptr<WriteQueue> make_pwrite_queue(PosixFile& file, std::size_t depth);

// Whether this build and this kernel can write through io_uring. Asked of the kernel once.
bool uring_works();
// Empty when the ring cannot be made: none in this build, forbidden, or out of memory.
std::unique_ptr<WriteQueue> make_uring_queue(PosixFile& file, std::size_t depth);

}  // namespace cairn
