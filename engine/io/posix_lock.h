// SPDX-License-Identifier: Apache-2.0
//
// The lock that keeps a second writer out.
#pragma once

#include "engine/io/file_system.h"

namespace cairn {

// See FileSystem::lock. The lock belongs to the process that took it: a forked child has
// no part in it, and does not keep it alive when its parent dies.
Result<std::unique_ptr<FileLock>> lock_posix_file(const std::string& path);

}  // namespace cairn
