// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/tables.h"

namespace cairn::postgres {
namespace {

using Column = std::string_view;

constexpr Column kExperimentColumns[] = {"store",     "name",        "number",       "status",
                                         "config",    "config_json", "search_space", "search_space_json",
                                         "optimizer", "created_ns",  "updated_ns",   "completed_ns"};
constexpr Column kProgressColumns[] = {"store",       "number",       "updated_ns", "heartbeat_store_ns",
                                       "evaluations", "not_a_number", "infinite",   "min_fitness",
                                       "max_fitness", "mean_fitness", "squares"};
constexpr Column kEvaluationColumns[] = {"store",      "experiment",   "architecture_hash", "fitness",
                                         "generation", "worker",       "duration_seconds",  "recorded_ns",
                                         "metrics",    "architecture", "architecture_json"};
constexpr Column kResultColumns[] = {
    "store", "id",    "namespace",  "key",        "version",          "serializer", "bytes",         "json",
    "dtype", "shape", "experiment", "created_ns", "expires_store_ns", "cost_ns",    "eviction_clock"};
constexpr Column kMetricColumns[] = {"store",    "id",       "part",  "run",      "block", "series",   "kind", "points",
                                     "min_step", "max_step", "steps", "times_ns", "reals", "integers", "texts"};
constexpr Column kRefColumns[] = {"store", "name", "version", "snapshot", "created_ns", "logical_bytes", "tags"};
constexpr Column kSnapshotColumns[] = {"store",         "id",    "tree",    "parent",  "created_ns",
                                       "logical_bytes", "files", "tensors", "metadata"};
constexpr Column kFileColumns[] = {"store", "snapshot", "part", "path", "kind", "bytes", "id", "is_model", "note"};
constexpr Column kTensorColumns[] = {"store", "model", "part", "name", "id", "dtype", "shape", "bytes"};
constexpr Column kLeftOutColumns[] = {"store", "id", "kind", "key", "why"};

std::string joined(std::span<const Column> columns, std::string_view between, std::string_view before = "",
                   std::string_view behind = "") {
  std::string text;
  for (const Column column : columns) {
    if (!text.empty()) text += between;
    text.append(before).append(column).append(behind);
  }
  return text;
}

std::string stage_of(const Table& table) { return "pg_temp.cairn_groups_of_" + std::string(table.name); }

// What an INSERT does about a row that is there.
std::string on_conflict(const Table& table) {
  std::string changes;
  for (const Column column : table.columns.subspan(table.keys)) {
    if (!changes.empty()) changes += ", ";
    changes.append(column).append(" = excluded.").append(column);
  }
  return " ON CONFLICT " + column_list(table, table.keys) + " DO UPDATE SET " + changes;
}

std::string copy_statement(const std::string& into, const Table& table, std::size_t columns) {
  return "COPY " + into + " " + column_list(table, columns) + " FROM STDIN (FORMAT binary)";
}

}  // namespace

constinit const Table kExperiments{"experiments", kExperimentColumns, 2, 2};
constinit const Table kProgress{"experiment_progress", kProgressColumns, 2, 2};
constinit const Table kEvaluations{"evaluations", kEvaluationColumns, 3, 3};
constinit const Table kResults{"results", kResultColumns, 2, 2};
constinit const Table kMetrics{"metrics", kMetricColumns, 3, 2};
constinit const Table kRefs{"refs", kRefColumns, 3, 3};
constinit const Table kSnapshots{"snapshots", kSnapshotColumns, 2, 2};
constinit const Table kFiles{"files", kFileColumns, 3, 2};
constinit const Table kLeftOut{"left_out", kLeftOutColumns, 2, 2};
constinit const Table kTensors{"tensors", kTensorColumns, 3, 2};

std::string column_list(const Table& table, std::size_t count) {
  return "(" + joined(table.columns.first(count), ", ") + ")";
}

std::string upsert_statement(const Table& table) {
  std::string values;
  for (std::size_t i = 1; i <= table.columns.size(); ++i) values += (i > 1 ? ", $" : "$") + std::to_string(i);
  return "INSERT INTO cairn." + std::string(table.name) + " " + column_list(table, table.columns.size()) + " VALUES (" +
         values + ")" + on_conflict(table);
}

std::string remove_statement(const Table& table) {
  std::string text = "DELETE FROM cairn." + std::string(table.name) + " WHERE ";
  for (std::size_t i = 0; i < table.group; ++i) {
    text.append(i > 0 ? " AND " : "").append(table.columns[i]).append(" = $" + std::to_string(i + 1));
  }
  return text;
}

std::string create_stage_statement(const Table& table) {
  const std::string stage = stage_of(table);
  return "CREATE TEMP TABLE IF NOT EXISTS " + stage.substr(stage.find('.') + 1) + " ON COMMIT DELETE ROWS AS SELECT " +
         joined(table.columns.first(table.group), ", ") + " FROM cairn." + std::string(table.name) + " WITH NO DATA";
}

std::string copy_groups_statement(const Table& table) { return copy_statement(stage_of(table), table, table.group); }
std::string copy_rows_statement(const Table& table) {
  return copy_statement("cairn." + std::string(table.name), table, table.columns.size());
}

// Without statistics of the stage, all of a large table may be read for a few rows.
std::string remove_staged_statements(const Table& table) {
  std::string text = "ANALYZE " + stage_of(table) + "; DELETE FROM cairn." + std::string(table.name) + " t USING " +
                     stage_of(table) + " g WHERE ";
  for (std::size_t i = 0; i < table.group; ++i) {
    const Column column = table.columns[i];
    text.append(i > 0 ? " AND t." : "t.").append(column).append(" = g.").append(column);
  }
  return text;
}

}  // namespace cairn::postgres
