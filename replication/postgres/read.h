// SPDX-License-Identifier: Apache-2.0
//
// What a database says of stores, read back. What comes is hostile.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "replication/postgres/batch.h"
#include "replication/postgres/connection.h"
#include "replication/postgres/rows.h"

namespace cairn::postgres {

Result<std::vector<Uuid>> read_stores(Connection& connection);
// At the beginning when the database does not know the store.
Result<StorePlace> read_place(Connection& connection, const Uuid& store);

// How long a store had been in use when it was last mirrored. Nothing: nobody knows.
Result<std::optional<std::uint64_t>> read_store_time(Connection& connection, const Uuid& store);

// Visits the rows of one store as they are at one moment. One of them is in memory at a time; what the server has
// prepared beyond that is a few MiB. `visit` may not use the connection. `where` begins behind "store = $1", and refers
// to `values` as $2, $3, …
struct RowFilter {
  bool within = false;  // the work of in_snapshot(), one visit at a time
  std::string_view where = {};
  CellWriter values = {};
  std::string_view order = {};  // empty: that of the keys
};
// What `work` reads is as it is at one moment.
Status in_snapshot(Connection& connection, const std::function<Status()>& work);
// Of the columns that are named alone.
Status read_columns(Connection& connection, const Table& table, std::string_view columns, const Uuid& store,
                    const RowFilter& filter, const std::function<Status(CellReader& row)>& visit);
Status read_cells(Connection& connection, const Table& table, const Uuid& store, const RowFilter& filter,
                  const std::function<Status(CellReader& row)>& visit);

template <class Row, class Visit>
Status read_rows(Connection& connection, const Uuid& store, const Visit& visit, const RowFilter& filter = {}) {
  return read_cells(connection, decltype(Row::key)::table, store, filter, [&](CellReader& cells) -> Status {
    cells.skip();  // store
    const Row row = Row::read(cells);
    CAIRN_CHECK(cells.check());
    return visit(row);
  });
}

// The result that was put last, in any store but `except`, and whose time is not over. What another store's program
// computed is found so.
struct FoundResult {
  Uuid store{};
  ResultRow row;
  std::optional<std::uint64_t> left_ns;  // of its time, when its store was last mirrored
};
Result<std::optional<FoundResult>> find_result(Connection& connection, const EntryId& id, const Uuid& except);

}  // namespace cairn::postgres
