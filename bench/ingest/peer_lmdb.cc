// SPDX-License-Identifier: Apache-2.0
//
// LMDB: one write transaction for each value, synced when it commits.
#include "bench/ingest/peers.h"

#ifdef CAIRN_BENCH_LMDB
#include <lmdb.h>

#include "bench/ingest/measure.h"
#endif

namespace bench {

#ifdef CAIRN_BENCH_LMDB
namespace {

class LmdbPeer : public Peer {
 public:
  explicit LmdbPeer(const std::string& folder) {
    expect(::mdb_env_create(&env_));
    expect(::mdb_env_set_mapsize(env_, 16 * GiB));
    expect(::mdb_env_open(env_, folder.c_str(), 0, 0644));
    MDB_txn* begun = nullptr;
    expect(::mdb_txn_begin(env_, nullptr, 0, &begun));
    expect(::mdb_dbi_open(begun, nullptr, MDB_INTEGERKEY, &values_));
    expect(::mdb_txn_commit(begun));
  }
  ~LmdbPeer() override { ::mdb_env_close(env_); }
  void put(std::uint64_t key, std::span<const std::byte> value) override {
    MDB_txn* begun = nullptr;
    expect(::mdb_txn_begin(env_, nullptr, 0, &begun));
    MDB_val name{sizeof key, &key};
    MDB_val content{value.size(), const_cast<std::byte*>(value.data())};
    expect(::mdb_put(begun, values_, &name, &content, 0));
    expect(::mdb_txn_commit(begun));
  }

 private:
  static void expect(int status) {
    if (status != 0) die(std::string("LMDB: ") + ::mdb_strerror(status));
  }
  MDB_env* env_ = nullptr;
  MDB_dbi values_ = 0;
};

}  // namespace

std::unique_ptr<Peer> open_lmdb(const std::string& folder) { return std::make_unique<LmdbPeer>(folder); }
#else
std::unique_ptr<Peer> open_lmdb(const std::string&) { return nullptr; }
#endif

}  // namespace bench
