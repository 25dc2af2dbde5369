// SPDX-License-Identifier: Apache-2.0
//
// Brings a database up to date with a store: what the store says behind where the database is, as rows, batch by batch.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/src/postgres_rows.h"
#include "replication/postgres/connection.h"
#include "replication/retry.h"
#include "replication/source.h"

namespace cairn {

struct PostgresPushReport {
  std::uint64_t statements = 0;  // that were looked at
  std::uint64_t rows = 0;        // that were written or removed
  std::uint64_t bytes = 0;       // of them, about
  std::uint64_t batches = 0;
  // Why statements could not be mirrored now. The database has a note of them, and the next push tries them again.
  std::vector<std::string> left_out;
  mirror::Cursor to;
};

struct PostgresPushOptions {
  std::size_t statement_bytes = std::size_t{2} << 20;  // of statements in one batch, without what they refer to
  // Rows of one batch beyond which those that are there are written without moving the cursor. What is one change in
  // the store is seen in parts then, until the cursor moves.
  std::size_t batch_bytes = std::size_t{64} << 20;
  postgres::ApplyOptions apply = {};
  RetryPolicy retry = {};
  RetryClock clock = system_retry_clock();
  const postgres::StopEvent* stop = nullptr;  // ends what waits for the server, but not the waits of `clock`; borrowed
  // Called on the calling thread now and then, between attempts too; its error ends the push.
  std::function<Status(const PostgresPushReport& so_far)> progress = {};
};

// One store's way into one database. Owned by one thread; another of its own sends a batch while the next one is made
// of what the store says. When the connection breaks, it looks where the database is and goes on from there, on another
// one.
class PostgresPusher {
 public:
  // Borrows all but the address. `rows` is of the store that `source` is.
  PostgresPusher(mirror::Source& source, PostgresRows& rows, postgres::Address address, PostgresPushOptions options);

  // conflict: what the database has of this store is of another history, or another pusher of this store is connected,
  // which is waited for as long as `retry` says.
  Result<PostgresPushReport> push();

 private:
  Status push_once(PostgresPushReport& report);
  Status connect();
  Status begin_session();
  Status compare_history(const postgres::StorePlace& place);
  Status add_left_out(postgres::Batch& batch, PostgresPushReport& report);
  Status add(const mirror::Statement& statement, postgres::Batch& batch, PostgresPushReport& report);
  Status remove(const mirror::Statement& statement, postgres::Batch& batch);
  Status add_all(const std::vector<mirror::Statement>& statements, postgres::Batch& batch, PostgresPushReport& report);
  Status write_if_full(postgres::Batch& batch, PostgresPushReport& report);
  // Of a batch: under way, behind the one before.
  Status write(postgres::Batch& batch, PostgresPushReport& report);
  // What is under way is there, and the connection is free. Does nothing when nothing is.
  Status land(PostgresPushReport& report);

  mirror::Source& source_;
  PostgresRows& rows_;
  const postgres::Address address_;
  const PostgresPushOptions options_;
  std::unique_ptr<postgres::Connection> connection_;
  postgres::StorePlace place_;  // where the database was last
  mirror::Cursor scanned_;      // the log behind that, as far as it is under way or says nothing
  std::optional<postgres::Batch> sending_;
  std::future<Result<postgres::Applied>> sent_;  // last: waits for whoever uses the others
};

}  // namespace cairn
