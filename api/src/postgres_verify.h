// SPDX-License-Identifier: Apache-2.0
//
// Compares what a database has of a store with what the store says: counts and digests of each table, which the server
// computes over its own rows, and the keys of what differs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "api/src/postgres_rows.h"
#include "replication/postgres/connection.h"
#include "replication/source.h"

namespace cairn {

struct PostgresVerifyReport {
  struct Table {
    std::string name;
    std::uint64_t here = 0, there = 0;  // rows
    bool differs = false;
  };
  std::vector<Table> tables;

  enum class Kind : std::uint8_t {
    missing,    // in the database
    extra,      // there, and not said by the store
    different,  // in both
  };
  struct Difference {
    std::string table;
    std::string key;  // as the database has it; of several parts, with a slash between
    Kind kind = Kind::missing;
    friend bool operator==(const Difference&, const Difference&) = default;
  };
  std::vector<Difference> differences;
  bool has_more = false;  // there are others than those
  // The store has said more since the database was brought up to date: that is among the differences.
  bool is_behind = false;
};

struct PostgresVerifyOptions {
  std::size_t differences_max = 1000;
  // Of rows that may differ, in memory at a time, in both together. What is beyond is left for the next call.
  std::size_t rows_max = 200'000;
  std::size_t batch_bytes = std::size_t{16} << 20;  // of the store's rows in memory at a time, unless one is larger
  // Called on the calling thread now and then; its error ends the verification.
  std::function<Status()> progress = {};
};

// Reads the store twice at most, and the database as often. Nothing may push the store meanwhile. In memory are some
// 150 bytes for each snapshot and model. unsupported: the schema is not what it should be; conflict: what the database
// has is of another history of the store.
//
// The digest is the sum of those of the rows. It finds what went wrong, not what somebody has arranged to add up. JSON
// that SQL reads is compared with the text that it was made of, once the texts are those of the store.
Result<PostgresVerifyReport> verify_in_postgres(mirror::Source& source, PostgresRows& rows,
                                                postgres::Connection& connection,
                                                const PostgresVerifyOptions& options = {});

}  // namespace cairn
