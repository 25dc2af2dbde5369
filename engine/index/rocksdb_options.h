// SPDX-License-Identifier: Apache-2.0
//
// How RocksDB is set up for the index.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/options.h>

#include <memory>

namespace cairn {

// A cache for all that the index keeps of its tables and memtables in memory, whatever its size.
std::shared_ptr<rocksdb::Cache> make_index_cache();

// `env` outlives the database.
rocksdb::Options index_options(rocksdb::Env* env, const std::shared_ptr<rocksdb::Cache>& cache);

}  // namespace cairn
