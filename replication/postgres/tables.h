// SPDX-License-Identifier: Apache-2.0
//
// The tables that rows are written to, as far as a statement about any of them needs to know, and those statements.
// What they are made of is in migrations.cc.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace cairn::postgres {

// Columns are in the order in which rows have them: those of the key first, of these `store` first.
struct Table {
  std::string_view name;
  std::span<const std::string_view> columns;
  std::size_t keys;   // columns of the primary key
  std::size_t group;  // the first of these: rows that are equal there are said, replaced and removed together

  bool is_grouped() const noexcept { return group < keys; }
};

extern const Table kExperiments, kProgress, kEvaluations, kResults, kMetrics, kRefs, kSnapshots, kFiles, kTensors,
    kLeftOut;

// "(a, b, c)" of the first `count` columns.
std::string column_list(const Table& table, std::size_t count);

// One row, whose values are $1, $2, …: takes the place of the one with its key.
std::string upsert_statement(const Table& table);
// The rows of the group that $1, $2, … are.
std::string remove_statement(const Table& table);

// The same of many: the groups that are said are copied into a table of this session, which empties itself with each
// transaction, and removed in one statement; then their rows are copied into the table itself.
std::string create_stage_statement(const Table& table);
std::string copy_groups_statement(const Table& table);
std::string remove_staged_statements(const Table& table);
std::string copy_rows_statement(const Table& table);

}  // namespace cairn::postgres
