// SPDX-License-Identifier: Apache-2.0
//
// Digests of rows that a server computes as we do: SHA-256 over the cells as they are on the wire. Of jsonb, whose
// bytes are PostgreSQL's own, what it says is taken: members in the order of their names, or that there is any.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "replication/postgres/connection.h"
#include "replication/postgres/tables.h"

namespace cairn {

// Of a set of rows, whatever their order.
struct RowsDigest {
  static constexpr std::uint64_t kModulus = std::uint64_t{1} << 56;
  std::uint64_t rows = 0;
  std::array<std::uint64_t, 2> sums{};  // of the first bytes of each row's digest, modulo kModulus
  RowsDigest& operator+=(const RowsDigest& other);
  friend bool operator==(const RowsDigest&, const RowsDigest&) = default;
};

// One table. Its rows are in buckets by their keys, so that what differs is looked for in few of them.
class DigestedTable {
 public:
  static constexpr std::size_t kBuckets = 4096;

  // Asks the database what the columns are.
  static Result<DigestedTable> of(postgres::Connection& connection, const postgres::Table& table);

  // `key`: the cells of a group's key. `rows`: of all its rows, as COPY has them.
  static std::size_t bucket_of(std::string_view key);
  Result<RowsDigest> digest_of(std::string_view rows) const;
  // What people call them.
  std::string name_of(std::string_view rows) const;

  using Buckets = std::map<std::size_t, RowsDigest>;
  Result<Buckets> read_buckets(postgres::Connection& connection, const postgres::Uuid& store) const;
  struct Group {
    RowsDigest digest;
    std::string name;
  };
  using Groups = std::map<std::string, Group>;  // by the cells of the key
  Result<Groups> read_groups(postgres::Connection& connection, const postgres::Uuid& store,
                             const std::vector<std::int64_t>& buckets) const;
  // The names of rows whose JSON is not that of the text beside it, some of them. Only where all texts are as a store
  // wrote them.
  Result<std::vector<std::string>> read_wrong_json(postgres::Connection& connection, const postgres::Uuid& store,
                                                   std::size_t limit) const;

 private:
  explicit DigestedTable(const postgres::Table& table) : table_(&table) {}
  std::string cells_in_sql(std::size_t columns) const;
  std::string name_in_sql() const;
  std::string sums_in_sql() const;

  const postgres::Table* table_;
  std::vector<std::string> types_;  // of the columns, as pg_type has them
};

}  // namespace cairn
