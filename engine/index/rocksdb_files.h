// SPDX-License-Identifier: Apache-2.0
//
// What RocksDB has for an operating system: the files of a GuardedFolder.
#pragma once

#include <rocksdb/env.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "engine/index/guarded_folder.h"
#include "engine/index/rocksdb_failures.h"

namespace cairn {

// Our files and errors, our clock, its own threads. `written_bytes` counts what is appended to
// any file. All of the arguments outlive it.
std::unique_ptr<rocksdb::Env> make_rocksdb_env(FileSystem& fs, GuardedFolder& folder, Failures& failures,
                                               std::atomic<std::uint64_t>& written_bytes);

}  // namespace cairn
