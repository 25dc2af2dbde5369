// SPDX-License-Identifier: Apache-2.0
//
// RocksDB, leveled or with integrated BlobDB: its defaults, but for compression, which is
// off as noise does not compress. Every put is synced in the write-ahead log; threads that
// put at the same time share a sync.
#include <rocksdb/db.h>

#include "bench/ingest/measure.h"
#include "bench/ingest/peers.h"

namespace bench {
namespace {

class RocksPeer : public Peer {
 public:
  RocksPeer(const std::string& folder, bool blobs) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.compression = rocksdb::kNoCompression;
    options.enable_blob_files = blobs;
    rocksdb::DB* db = nullptr;
    expect(rocksdb::DB::Open(options, folder, &db));
    db_.reset(db);
  }
  void put(std::uint64_t key, std::span<const std::byte> value) override {
    rocksdb::WriteOptions options;
    options.sync = true;
    expect(db_->Put(options, {reinterpret_cast<const char*>(&key), sizeof key},
                    {reinterpret_cast<const char*>(value.data()), value.size()}));
  }

 private:
  static void expect(const rocksdb::Status& status) {
    if (!status.ok()) die("RocksDB: " + status.ToString());
  }
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

std::unique_ptr<Peer> open_rocksdb(const std::string& folder) { return std::make_unique<RocksPeer>(folder, false); }
std::unique_ptr<Peer> open_blobdb(const std::string& folder) { return std::make_unique<RocksPeer>(folder, true); }

}  // namespace bench
