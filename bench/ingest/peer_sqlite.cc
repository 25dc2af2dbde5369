// SPDX-License-Identifier: Apache-2.0
//
// SQLite in WAL mode with synchronous=FULL, one insert in each transaction. Threads take
// turns at one connection: of several, all but one would wait for the same lock in sleeps.
#include "bench/ingest/peers.h"

#ifdef CAIRN_BENCH_SQLITE
#include <sqlite3.h>

#include <mutex>

#include "bench/ingest/measure.h"
#endif

namespace bench {

#ifdef CAIRN_BENCH_SQLITE
namespace {

class SqlitePeer : public Peer {
 public:
  SqlitePeer(const std::string& folder, const char* synchronous) {
    expect(::sqlite3_open((folder + "/values.db").c_str(), &db_), SQLITE_OK);
    for (const char* sql :
         {"pragma journal_mode=wal", synchronous, "create table content (key integer primary key, value blob)"}) {
      expect(::sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    }
    expect(::sqlite3_prepare_v2(db_, "insert into content values (?, ?)", -1, &insert_, nullptr), SQLITE_OK);
  }
  ~SqlitePeer() override {
    ::sqlite3_finalize(insert_);
    ::sqlite3_close(db_);
  }
  void put(std::uint64_t key, std::span<const std::byte> value) override {
    const std::lock_guard lock(turn_);
    expect(::sqlite3_bind_int64(insert_, 1, static_cast<sqlite3_int64>(key)), SQLITE_OK);
    expect(::sqlite3_bind_blob64(insert_, 2, value.data(), value.size(), SQLITE_STATIC), SQLITE_OK);
    expect(::sqlite3_step(insert_), SQLITE_DONE);
    expect(::sqlite3_reset(insert_), SQLITE_OK);
  }

 private:
  void expect(int status, int wanted) {
    if (status != wanted) die(std::string("SQLite: ") + ::sqlite3_errmsg(db_));
  }
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  std::mutex turn_;
};

}  // namespace

std::unique_ptr<Peer> open_sqlite(const std::string& folder) {
  return std::make_unique<SqlitePeer>(folder, "pragma synchronous=full");
}
std::unique_ptr<Peer> open_sqlite_normal(const std::string& folder) {
  return std::make_unique<SqlitePeer>(folder, "pragma synchronous=normal");
}
#else
std::unique_ptr<Peer> open_sqlite(const std::string&) { return nullptr; }
std::unique_ptr<Peer> open_sqlite_normal(const std::string&) { return nullptr; }
#endif

}  // namespace bench
