// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/batch.h"

#include <algorithm>
#include <utility>

#include "replication/postgres/batch_writer.h"
#include "replication/postgres/copy_stream.h"
#include "replication/postgres/errors.h"
#include "replication/postgres/read.h"

namespace cairn::postgres {
namespace {

// A page of an index has to take three.
constexpr std::size_t kKeyBytesMax = 2600;

constexpr std::string_view kKnowStore = "INSERT INTO cairn.stores (store) VALUES ($1) ON CONFLICT DO NOTHING";

}  // namespace

Status Batch::add_row(Group& group, const CellWriter& cells) {
  CAIRN_CHECK(cells.check());
  append_copy_row(group.bytes, cells.count_of_cells(), cells.bytes());
  ++group.rows;
  return {};
}

Status Batch::say(const Table& table, const CellWriter& key, Group group) {
  CAIRN_CHECK(key.check());
  if (key.bytes().size() > kKeyBytesMax) {
    return make_error(ErrorCode::invalid_argument, "a key of " + std::to_string(key.bytes().size()) +
                                                       " bytes is longer than an index of PostgreSQL takes");
  }
  const auto* const known = std::ranges::find(kTables, &table);
  Groups& groups = groups_[static_cast<std::size_t>(known - kTables.begin())];
  const auto [at, fresh] = groups.try_emplace(key.bytes());
  rows_ -= fresh ? 0 : std::max<std::size_t>(at->second.rows, 1);
  bytes_ -= fresh ? 0 : at->first.size() + at->second.bytes.size();
  at->second = std::move(group);
  rows_ += std::max<std::size_t>(at->second.rows, 1);
  bytes_ += at->first.size() + at->second.bytes.size();
  return {};
}

Result<Applied> apply(Connection& connection, const Batch& batch, const ApplyOptions& options) {
  bool elsewhere = false;
  const Status status = in_transaction(connection, [&]() -> Status {
    CellWriter store;
    store.uuid(batch.store());
    CAIRN_TRY([[maybe_unused]] const Rows known, connection.query(kKnowStore, store));
    CAIRN_TRY(const bool written, BatchWriter(connection, batch).write(batch.rows() >= options.copy_rows_min));
    if (written) return {};
    elsewhere = true;
    return make_error(ErrorCode::conflict, "the database is elsewhere in the store's log than where the batch begins");
  });
  if (status.ok()) return Applied::now;
  if (!elsewhere) return status.error();
  CAIRN_TRY(const auto place, read_place(connection, batch.store()));
  if (place == batch.to()) return Applied::before;
  return status.error();
}

}  // namespace cairn::postgres
