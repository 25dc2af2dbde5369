// SPDX-License-Identifier: Apache-2.0
#include "engine/index/rocksdb_options.h"

#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include "engine/base/bytes.h"

namespace cairn {
namespace {

constexpr std::size_t kCacheBytes = 32 * MiB;
constexpr std::size_t kMemtableBytes = 8 * MiB;       // one memtable: a table of 100,000 blocks
constexpr std::size_t kMemtablesBytesMax = 16 * MiB;  // all of them, charged to the cache
constexpr std::size_t kManifestBytesMax = 1 * MiB;    // each checkpoint reads it once

// RocksDB's diary for its own developers; what concerns a user is in the errors.
class NoLog final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

std::shared_ptr<rocksdb::Cache> make_index_cache() { return rocksdb::NewLRUCache(kCacheBytes); }

rocksdb::Options index_options(rocksdb::Env* env, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  // Everything that grows with the number of keys is in partitions that come and go in
  // the cache; only the top of each table's index stays.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewRibbonFilterPolicy(10));

  rocksdb::Options options;
  options.env = env;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(kMemtablesBytesMax, cache);
  options.write_buffer_size = kMemtableBytes;
  // Most lookups are for what is not there: a filter answers them without a search.
  options.memtable_prefix_bloom_size_ratio = 0.05;
  options.memtable_whole_key_filtering = true;
  options.max_write_buffer_number = 3;
  options.paranoid_checks = true;
  options.compression = rocksdb::kNoCompression;  // digests do not compress
  options.level_compaction_dynamic_level_bytes = true;
  options.max_background_jobs = 2;
  // Every table is opened once and stays open: a reader outlives the file's name.
  options.max_open_files = -1;
  options.max_file_opening_threads = 2;
  options.skip_stats_update_on_db_open = true;
  options.max_manifest_file_size = kManifestBytesMax;
  options.avoid_flush_during_shutdown = true;
  // A failed sync is final: no retry behind our back.
  options.max_bgerror_resume_count = 0;
  // No wall clock decides what is compacted.
  options.ttl = 0;
  options.periodic_compaction_seconds = 0;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log = std::make_shared<NoLog>();
  return options;
}

}  // namespace cairn
