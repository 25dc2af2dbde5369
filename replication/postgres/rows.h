// SPDX-License-Identifier: Apache-2.0
//
// Rows as plain structs, one kind for each table (migrations.cc says what each column is). Texts are any bytes. A row
// is known by its key; rows that are said together, as the files of a snapshot, have one key and are numbered as they
// come.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "replication/postgres/cells.h"
#include "replication/postgres/tables.h"

namespace cairn::postgres {

using Bytes = std::vector<std::byte>;

// Each Key writes the columns of its table's group behind `store`, each Row what is behind the key. read() takes all
// but `store`.

struct ExperimentKey {
  static constexpr const Table& table = kExperiments;
  std::string name;
  void write(CellWriter& cells) const { cells.text(name); }
  friend bool operator==(const ExperimentKey&, const ExperimentKey&) = default;
};
struct ExperimentRow {
  ExperimentKey key;
  std::uint64_t number = 0;
  std::string status, config, search_space, optimizer;
  std::int64_t created_ns = 0, updated_ns = 0;
  std::optional<std::int64_t> completed_ns;
  void write(CellWriter& cells) const;
  static ExperimentRow read(CellReader& cells);
  friend bool operator==(const ExperimentRow&, const ExperimentRow&) = default;
};

struct ProgressKey {
  static constexpr const Table& table = kProgress;
  std::uint64_t number = 0;  // of the experiment
  void write(CellWriter& cells) const { cells.count(number); }
  friend bool operator==(const ProgressKey&, const ProgressKey&) = default;
};
struct ProgressRow {
  ProgressKey key;
  std::int64_t updated_ns = 0;
  std::uint64_t heartbeat_store_ns = 0, evaluations = 0, not_a_number = 0, infinite = 0;
  double min = 0, max = 0, mean = 0, squares = 0;
  void write(CellWriter& cells) const;
  static ProgressRow read(CellReader& cells);
  friend bool operator==(const ProgressRow&, const ProgressRow&) = default;
};

struct EvaluationKey {
  static constexpr const Table& table = kEvaluations;
  std::uint64_t experiment = 0;  // its number
  std::string architecture_hash;
  void write(CellWriter& cells) const { cells.count(experiment).text(architecture_hash); }
  friend bool operator==(const EvaluationKey&, const EvaluationKey&) = default;
};
struct EvaluationRow {
  EvaluationKey key;
  double fitness = 0;
  std::uint64_t generation = 0;
  std::string worker;
  double duration_seconds = 0;
  std::int64_t recorded_ns = 0;
  std::map<std::string, double> metrics;
  std::string architecture;
  void write(CellWriter& cells) const;
  static EvaluationRow read(CellReader& cells);
};

Bytes sha256(std::string_view bytes);

// Of an entry of the store's.
struct EntryId {
  Bytes sha256;  // of the entry's key
  friend bool operator==(const EntryId&, const EntryId&) = default;
};
EntryId entry_id(std::string_view entry_key);

struct ResultKey {
  static constexpr const Table& table = kResults;
  EntryId id;
  void write(CellWriter& cells) const { cells.bytea(id.sha256); }
  friend bool operator==(const ResultKey&, const ResultKey&) = default;
};
struct ResultRow {
  static constexpr std::string_view kJson = "json";  // the serializer of what is in `json` as well

  ResultKey key;
  std::string name_space, name;
  std::uint64_t version = 0;
  std::string serializer;
  Bytes bytes;
  std::optional<std::string> dtype;
  std::vector<std::int64_t> shape;  // of one that has a dtype
  std::string experiment;
  std::int64_t created_ns = 0;
  std::optional<std::uint64_t> expires_store_ns, cost_ns;
  std::optional<double> eviction_clock;
  void write(CellWriter& cells) const;
  static ResultRow read(CellReader& cells);
  friend bool operator==(const ResultRow&, const ResultRow&) = default;
};

// Of a block of metrics.
struct MetricKey {
  static constexpr const Table& table = kMetrics;
  EntryId id;
  void write(CellWriter& cells) const { cells.bytea(id.sha256); }
  friend bool operator==(const MetricKey&, const MetricKey&) = default;
};
enum class MetricType : std::uint8_t { real, integer, text };
struct MetricRow {
  MetricKey key;
  std::string run, series;
  std::uint64_t block = 0;
  MetricType type = MetricType::real;
  std::vector<std::int64_t> steps, times_ns;  // of each point
  // Of these the one of the type has as many, the others none.
  std::vector<double> reals;
  std::vector<std::int64_t> integers;
  std::vector<std::string> texts;
  void write(CellWriter& cells) const;
  static MetricRow read(CellReader& cells);
};

struct RefKey {
  static constexpr const Table& table = kRefs;
  std::string name;
  std::uint64_t version = 0;
  void write(CellWriter& cells) const { cells.text(name).count(version); }
  friend bool operator==(const RefKey&, const RefKey&) = default;
};
struct RefRow {
  RefKey key;
  Bytes snapshot;
  std::int64_t created_ns = 0;
  std::uint64_t logical_bytes = 0;
  std::map<std::string, std::string> tags;
  void write(CellWriter& cells) const;
  static RefRow read(CellReader& cells);
  friend bool operator==(const RefRow&, const RefRow&) = default;
};

struct SnapshotKey {
  static constexpr const Table& table = kSnapshots;
  Bytes id;
  void write(CellWriter& cells) const { cells.bytea(id); }
  friend bool operator==(const SnapshotKey&, const SnapshotKey&) = default;
};
struct SnapshotRow {
  SnapshotKey key;
  Bytes tree;
  std::optional<Bytes> parent;
  std::int64_t created_ns = 0;
  std::uint64_t logical_bytes = 0, files = 0, tensors = 0;
  std::map<std::string, std::string> metadata;
  void write(CellWriter& cells) const;
  static SnapshotRow read(CellReader& cells);
  friend bool operator==(const SnapshotRow&, const SnapshotRow&) = default;
};

struct FilesKey {
  static constexpr const Table& table = kFiles;
  Bytes snapshot;
  void write(CellWriter& cells) const { cells.bytea(snapshot); }
  friend bool operator==(const FilesKey&, const FilesKey&) = default;
};
struct FileRow {
  FilesKey key;
  std::string path, kind;
  std::uint64_t bytes = 0;
  Bytes id;
  bool is_model = false;
  std::string note;
  void write(CellWriter& cells) const;
  static FileRow read(CellReader& cells);
  friend bool operator==(const FileRow&, const FileRow&) = default;
};

struct TensorsKey {
  static constexpr const Table& table = kTensors;
  Bytes model;
  void write(CellWriter& cells) const { cells.bytea(model); }
  friend bool operator==(const TensorsKey&, const TensorsKey&) = default;
};
struct TensorRow {
  TensorsKey key;
  std::string name;
  Bytes id;
  std::optional<std::string> dtype;
  std::vector<std::int64_t> shape;  // of one that has a dtype
  std::uint64_t bytes = 0;
  void write(CellWriter& cells) const;
  static TensorRow read(CellReader& cells);
  friend bool operator==(const TensorRow&, const TensorRow&) = default;
};

// A statement of the store's that could not be mirrored.
struct LeftOutKey {
  static constexpr const Table& table = kLeftOut;
  EntryId id;  // of the kind's byte and the key
  void write(CellWriter& cells) const { cells.bytea(id.sha256); }
  friend bool operator==(const LeftOutKey&, const LeftOutKey&) = default;
};
LeftOutKey left_out_key(std::uint8_t kind, std::string_view statement_key);
struct LeftOutRow {
  LeftOutKey key;
  std::uint8_t kind = 0;
  std::string statement_key;
  std::string why;
  void write(CellWriter& cells) const;
  static LeftOutRow read(CellReader& cells);
  friend bool operator==(const LeftOutRow&, const LeftOutRow&) = default;
};

}  // namespace cairn::postgres
