// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/read.h"

#include <algorithm>
#include <string>
#include <utility>

namespace cairn::postgres {
namespace {

// What one FETCH brings has about this size, judged by what came before: a statement is to end in time, whatever its
// visitor does with the rows.
constexpr std::size_t kFetchedBytes = std::size_t{8} << 20;
constexpr std::size_t kFetchedFirst = 16, kFetchedMax = 4096;

std::string columns_of(const Table& table, std::string_view prefix) {
  std::string text;
  for (const std::string_view column : table.columns)
    text.append(text.empty() ? "" : ", ").append(prefix).append(column);
  return text;
}

// How many rows to ask for next.
std::size_t next_count(std::size_t rows, std::size_t bytes) {
  return std::clamp<std::size_t>(kFetchedBytes / (bytes / std::max<std::size_t>(rows, 1) + 1), 1, kFetchedMax);
}

}  // namespace

Result<std::vector<Uuid>> read_stores(Connection& connection) {
  CAIRN_TRY(const Rows rows, connection.query("SELECT store FROM cairn.stores ORDER BY store"));
  std::vector<Uuid> stores;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CellReader row = rows.row(i);
    stores.push_back(row.uuid());
    CAIRN_CHECK(row.check());
  }
  return stores;
}

Result<StorePlace> read_place(Connection& connection, const Uuid& store) {
  CellWriter values;
  values.uuid(store);
  CAIRN_TRY(const Rows rows,
            connection.query("SELECT log_segment, log_offset, mark FROM cairn.stores WHERE store = $1", values));
  StorePlace place;
  if (rows.size() == 0) return place;
  CellReader row = rows.row(0);
  const std::uint64_t segment = row.count();
  place.cursor = {.segment = static_cast<std::uint32_t>(segment), .offset = row.count()};
  if (place.cursor.segment != segment) row.refuse("is no segment");
  const auto mark = row.optional(&CellReader::int8);
  if (mark) place.mark = static_cast<std::uint64_t>(*mark);
  CAIRN_CHECK(row.check());
  return place;
}

// A store's clock by now: what it said last, and what has passed since its last batch. NULL: it has said none, and
// nobody can tell what has ended there.
constexpr std::string_view kStoreTimeNow =
    "(s.store_time_ns + greatest(0, (extract(epoch FROM now() - s.updated) * 1e9)::bigint))";

Result<std::optional<std::uint64_t>> read_store_time(Connection& connection, const Uuid& store) {
  CellWriter values;
  values.uuid(store);
  CAIRN_TRY(const Rows rows,
            connection.query("SELECT " + std::string(kStoreTimeNow) + " FROM cairn.stores s WHERE store = $1", values));
  if (rows.size() == 0) return std::optional<std::uint64_t>();
  CellReader row = rows.row(0);
  const auto time = row.optional(&CellReader::count);
  CAIRN_CHECK(row.check());
  return time;
}

Status in_snapshot(Connection& connection, const std::function<Status()>& work) {
  return in_transaction(connection, [&]() -> Status {
    CAIRN_CHECK(connection.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
    return work();
  });
}

Status read_cells(Connection& connection, const Table& table, const Uuid& store, const RowFilter& filter,
                  const std::function<Status(CellReader& row)>& visit) {
  return read_columns(connection, table, columns_of(table, ""), store, filter, visit);
}

Status read_columns(Connection& connection, const Table& table, std::string_view columns, const Uuid& store,
                    const RowFilter& filter, const std::function<Status(CellReader& row)>& visit) {
  std::string order;
  for (const std::string_view column : table.columns.first(table.keys))
    order.append(order.empty() ? "" : ", ").append(column);
  if (!filter.order.empty()) order = filter.order;
  const std::string declare = "DECLARE cairn_rows NO SCROLL CURSOR FOR SELECT " + std::string(columns) +
                              " FROM cairn." + std::string(table.name) + " WHERE store = $1 " +
                              std::string(filter.where) + " ORDER BY " + order;
  CellWriter values;
  values.uuid(store);
  values.append(filter.values);
  const auto work = [&]() -> Status {
    CAIRN_TRY([[maybe_unused]] const Rows declared, connection.query(declare, values));
    for (std::size_t count = kFetchedFirst;;) {
      std::size_t bytes = 0;
      const auto visit_row = [&](const Rows& one) -> Status {
        bytes += one.bytes();
        CellReader row = one.row(0);
        return visit(row);
      };
      CAIRN_TRY(const std::size_t rows,
                connection.visit("FETCH " + std::to_string(count) + " FROM cairn_rows", visit_row));
      if (rows < count) return connection.run("CLOSE cairn_rows");
      count = next_count(rows, bytes);
    }
  };
  return filter.within ? work() : in_snapshot(connection, work);
}

Result<std::optional<FoundResult>> find_result(Connection& connection, const EntryId& id, const Uuid& except) {
  CellWriter values;
  values.bytea(id.sha256).uuid(except);
  CAIRN_TRY(
      const Rows rows,
      connection.query("SELECT r.expires_store_ns - " + std::string(kStoreTimeNow) + ", " + columns_of(kResults, "r.") +
                           " FROM cairn.results r JOIN cairn.stores s ON s.store = r.store WHERE r.id = $1 AND "
                           "r.store <> $2 AND (r.expires_store_ns IS NULL OR r.expires_store_ns > " +
                           std::string(kStoreTimeNow) + ") ORDER BY r.created_ns DESC, r.store LIMIT 1",
                       values));
  if (rows.size() == 0) return std::optional<FoundResult>();
  FoundResult found;
  CellReader row = rows.row(0);
  found.left_ns = row.optional(&CellReader::count);
  found.store = row.uuid();
  found.row = ResultRow::read(row);
  CAIRN_CHECK(row.check());
  return std::optional(std::move(found));
}

}  // namespace cairn::postgres
