// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/batch_writer.h"

#include <algorithm>
#include <utility>

#include "replication/postgres/copy_stream.h"
#include "replication/postgres/errors.h"

namespace cairn::postgres {
namespace {

// Of rows in one part of a stream, unless one is larger.
constexpr std::size_t kPartBytes = std::size_t{64} << 10;

// A row with the same key.
constexpr std::string_view kIsThere = "23505";

// Takes the store's row for the transaction, and waits for whoever has it: what they did is seen then.
constexpr std::string_view kAdvance =
    "UPDATE cairn.stores SET log_segment = $4, log_offset = $5, mark = $6, updated = now(), "
    "store_time_ns = coalesce($7, store_time_ns) "
    "WHERE store = $1 AND log_segment = $2 AND log_offset = $3 AND mark IS NOT DISTINCT FROM $8";

// What no name leads to any more.
constexpr std::string_view kForgetSnapshots =
    "DELETE FROM cairn.snapshots s WHERE s.store = $1 AND NOT EXISTS "
    "(SELECT FROM cairn.refs r WHERE r.store = s.store AND r.snapshot = s.id)";
constexpr std::string_view kForgetTensors =
    "DELETE FROM cairn.tensors t WHERE t.store = $1 AND NOT EXISTS "
    "(SELECT FROM cairn.files f WHERE f.store = t.store AND f.id = t.model)";

void put_mark(CellWriter& cells, const std::optional<std::uint64_t>& mark) {
  mark ? cells.int8(static_cast<std::int64_t>(*mark)) : cells.null();
}

CellWriter cell_of(const Uuid& store) {
  CellWriter cells;
  cells.uuid(store);
  return cells;
}

// The cells of the first row, which is taken off.
std::string_view take_row(std::string_view& rows) {
  const auto number = [&](std::size_t at, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(rows[at + i]);
    return value;
  };
  constexpr std::uint32_t kNull = ~std::uint32_t{0};
  std::size_t end = 2;
  for (std::uint32_t cells = number(0, 2); cells > 0; --cells) {
    const std::uint32_t size = number(end, 4);
    end += 4 + (size == kNull ? 0 : size);
  }
  const std::string_view row = rows.substr(2, end - 2);
  rows.remove_prefix(end);
  return row;
}

// A stream of what `append` makes of each group.
template <class Groups, class Append>
auto in_parts(const Groups& groups, Append append) {
  return CopyStream([part = std::string(), at = groups.begin(), &groups, append]() mutable -> std::string_view {
    for (part.clear(); at != groups.end() && part.size() < kPartBytes; ++at) append(part, *at);
    return part;
  });
}

}  // namespace

Result<bool> BatchWriter::write(bool copied) {
  CAIRN_TRY(const bool advanced, copied ? write_copied() : write_row_by_row());
  if (advanced) CAIRN_CHECK(forget());
  return advanced;
}

Call BatchWriter::advance() const {
  Call call{.sql = kAdvance, .values = cell_of(batch_.store_)};
  call.values.count(batch_.from_.cursor.segment).count(batch_.from_.cursor.offset);
  call.values.count(batch_.to_.cursor.segment).count(batch_.to_.cursor.offset);
  put_mark(call.values, batch_.to_.mark);
  call.values.optional(batch_.store_time_ns_, &CellWriter::count);
  put_mark(call.values, batch_.from_.mark);
  return call;
}

Result<bool> BatchWriter::write_row_by_row() {
  std::vector<Call> calls{advance()};
  for (std::size_t i = 0; i < Batch::kTables.size(); ++i) {
    const Table& table = *Batch::kTables[i];
    if (batch_.groups_[i].empty()) continue;
    const std::string& remove = statements_.emplace_back(remove_statement(table));
    const std::string& upsert = statements_.emplace_back(upsert_statement(table));
    for (const auto& [key, group] : batch_.groups_[i]) {
      if (table.is_grouped() || group.rows == 0) calls.push_back({remove, CellWriter(key, table.group)});
      for (std::string_view rows = group.bytes; !rows.empty();) {
        calls.push_back({upsert, CellWriter(take_row(rows), table.columns.size())});
      }
    }
  }
  CAIRN_TRY(const std::vector<Rows> answers, connection_.pipeline(calls));
  return answers.front().affected() == 1;
}

Result<bool> BatchWriter::write_copied() {
  const Call call = advance();
  CAIRN_TRY(const Rows advanced, connection_.query(call.sql, call.values));
  if (advanced.affected() != 1) return false;
  for (std::size_t i = 0; i < Batch::kTables.size(); ++i) {
    if (!batch_.groups_[i].empty()) CAIRN_CHECK(copy_table(*Batch::kTables[i], batch_.groups_[i]));
  }
  return true;
}

// Most of what is said is new. Where it is not, the server says so at the first row that is there, and it begins again:
// the more there are, the sooner. To remove all of them first in vain costs more, and ON CONFLICT for each row as well.
Status BatchWriter::copy_table(const Table& table, const Batch::Groups& groups) {
  CAIRN_CHECK(remove_groups(table, groups, false));
  CAIRN_CHECK(connection_.run("SAVEPOINT cairn_copy"));
  Status copied = copy_rows(table, groups);
  if (copied.ok()) return connection_.run("RELEASE cairn_copy");
  if (connection_.is_broken() || sqlstate_in(copied.error().message) != kIsThere) return copied;
  CAIRN_CHECK(connection_.run("ROLLBACK TO cairn_copy; RELEASE cairn_copy"));
  CAIRN_CHECK(remove_groups(table, groups, true));
  return copy_rows(table, groups);
}

// Those without rows, and the others as well where `with_rows` says so.
Status BatchWriter::remove_groups(const Table& table, const Batch::Groups& groups, bool with_rows) {
  const auto is_meant = [with_rows](const auto& group) { return with_rows || group.second.rows == 0; };
  if (std::ranges::none_of(groups, is_meant)) return {};
  CAIRN_CHECK(connection_.run(create_stage_statement(table)));
  CAIRN_CHECK(
      connection_.copy_in(copy_groups_statement(table), in_parts(groups, [&](std::string& part, const auto& group) {
                            if (is_meant(group)) append_copy_row(part, table.group, group.first);
                          })));
  return connection_.run(remove_staged_statements(table));
}

Status BatchWriter::copy_rows(const Table& table, const Batch::Groups& groups) {
  return connection_.copy_in(copy_rows_statement(table), in_parts(groups, [](std::string& part, const auto& group) {
                               part += group.second.bytes;
                             }));
}

// Only a change of names leaves snapshots without one.
Status BatchWriter::forget() {
  const auto refs = std::ranges::find(Batch::kTables, &kRefs) - Batch::kTables.begin();
  if (batch_.groups_[static_cast<std::size_t>(refs)].empty()) return {};
  CAIRN_TRY(const Rows forgotten, connection_.query(kForgetSnapshots, cell_of(batch_.store_)));
  if (forgotten.affected() == 0) return {};
  CAIRN_TRY([[maybe_unused]] const Rows rows, connection_.query(kForgetTensors, cell_of(batch_.store_)));
  return {};
}

}  // namespace cairn::postgres
