// SPDX-License-Identifier: Apache-2.0
//
// Verifies that everything the index promises is in the log, and that everything names and
// objects that were put directly refer to is there, whole. Changes nothing.
#pragma once

#include "cairn/store.h"
#include "engine/base/worker_pool.h"
#include "engine/read/block_reader.h"

namespace cairn {

// Damage is in the report; the call fails only when it cannot go on (cancelled, no memory,
// the index unreadable).
Result<CheckReport> check_store(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag,
                                BlockReader& reader, WorkerPool& pool, const CheckOptions& options,
                                const Progress& progress);

}  // namespace cairn
