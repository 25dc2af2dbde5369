// SPDX-License-Identifier: Apache-2.0
//
// The key-value store that lasts. Only rocksdb_index.cc includes RocksDB.
#pragma once

#include "engine/index/guard.h"
#include "engine/index/key_value_store.h"

namespace cairn {

// Opens the RocksDB database in `folder` as `guard` lists and `checked` holds it; with
// nothing durable, creates it (read_write only). The folder exists.
//
// read_write: nothing unlisted may be in the folder. Files that the guard on disk lists
// stay until a later guard is on disk that does not list them.
// read_only: reads `checked` alone, never the folder; write() and checkpoint() fail.
Result<std::unique_ptr<KeyValueStore>> open_rocksdb(FileSystem& fs, const std::string& folder, const Guard& guard,
                                                    CheckedFiles checked, Index::Access access);

}  // namespace cairn
