// SPDX-License-Identifier: Apache-2.0
#ifdef CAIRN_HAVE_POSTGRES
#include "api/src/postgres_rows.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "api/src/mirror_formats.h"
#include "api/src/tables.h"
#include "engine/base/errors.h"
#include "engine/content/digester.h"
#include "engine/results/entry_key.h"
#include "engine/results/evaluation_entry.h"
#include "engine/results/experiment_entry.h"
#include "engine/results/metric_block.h"
#include "engine/results/result_value.h"

namespace cairn {
namespace {

using postgres::Batch;

constexpr std::string_view kFileKinds[] = {"", "file", "directory", "symlink", "state"};
constexpr char kProgress = 'p', kEvaluation = 'e';
// Of the points of one block, which are in memory twice on their way.
constexpr std::uint64_t kMetricBytesMax = std::uint64_t{256} << 20;

Error no_key(const char* what) {
  return make_error(ErrorCode::corruption, std::string("the key of ") + what + " makes no sense");
}

Result<std::vector<std::int64_t>> shape_of(const std::vector<std::uint64_t>& shape) {
  std::vector<std::int64_t> signed_shape;
  for (const std::uint64_t size : shape) {
    if (size > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      return make_error(ErrorCode::invalid_argument, "a shape has a larger number than PostgreSQL");
    }
    signed_shape.push_back(static_cast<std::int64_t>(size));
  }
  return signed_shape;
}

// What a column's points have in the database, about. A text that is said once in the block is there as often as it is
// a point's.
std::uint64_t bytes_in_rows(const MetricColumn& column) {
  std::uint64_t bytes = 3 * sizeof(std::int64_t) * column.rows.size();
  for (const std::uint32_t at : column.texts) bytes += column.dictionary[at].size();
  return bytes;
}

// The points of one column with the steps and times of their rows.
postgres::MetricRow row_of(const MetricRows& rows, const MetricColumn& column) {
  postgres::MetricRow row;
  row.series = column.name;
  for (const std::uint32_t at : column.rows) {
    row.steps.push_back(rows.steps()[at]);
    row.times_ns.push_back(rows.times_ns()[at]);
  }
  switch (column.kind) {
    case MetricKind::real: row.reals = column.reals; break;
    case MetricKind::integer:
      row.type = postgres::MetricType::integer;
      row.integers = column.integers;
      break;
    case MetricKind::text:
      row.type = postgres::MetricType::text;
      for (const std::uint32_t at : column.texts) row.texts.push_back(column.dictionary[at]);
      break;
  }
  return row;
}

}  // namespace

bool is_unreadable(const Error& error) {
  return error.code == ErrorCode::corruption || error.code == ErrorCode::not_found || error.code == ErrorCode::io ||
         error.code == ErrorCode::unsupported || error.code == ErrorCode::invalid_argument;
}

postgres::LeftOutRow left_out_row(const mirror::Statement& statement, const Error& why) {
  return {.key = postgres::left_out_key(statement.kind, statement.key),
          .kind = statement.kind,
          .statement_key = statement.key,
          .why = why.message};
}

postgres::Bytes PostgresRows::id(const Digest& digest) const {
  const Bytes bytes = Bytes(digest.bytes).first(digest_size(store_.header().digest));
  return {bytes.begin(), bytes.end()};
}

Status PostgresRows::add(const mirror::Statement& statement, Batch& batch) {
  switch (static_cast<RecordKind>(statement.kind)) {
    case RecordKind::ref: {
      CAIRN_TRY(const RefRecord ref, ref_of(statement));
      return add_ref(ref, batch);
    }
    case RecordKind::entries: {
      if (!is_clock(statement)) return add_entry(statement, batch);
      CAIRN_TRY(const StoreClock clock, clock_of(statement));
      batch.set_store_time(clock.store_time_ns);
      return {};
    }
    default: return {};
  }
}

Status PostgresRows::add_entry(const mirror::Statement& statement, Batch& batch) {
  CAIRN_TRY(const StoredEntry entry, entry_of(statement));
  switch (static_cast<EntrySpace>(entry.key.front())) {
    case EntrySpace::results: return add_result(entry, batch);
    case EntrySpace::experiments: return add_experiment(entry, batch);
    case EntrySpace::evaluations: return add_of_experiment(entry, batch);
    case EntrySpace::metrics: return add_metrics(entry, batch);
    default: return {};
  }
}

// What an entry refers to is its value.
Result<std::string> PostgresRows::content_of(const StoredEntry& entry) {
  if (entry.references.empty()) return make_error(ErrorCode::corruption, "an entry does not say where its content is");
  CAIRN_TRY(StoreImpl::Tables * tables, store_.tables());
  return tables->entries.content(entry.references.front());
}

Status PostgresRows::add_result(const StoredEntry& entry, Batch& batch) {
  postgres::ResultRow row;
  row.key = {postgres::entry_id(entry.key)};
  if (entry.removed) return batch.remove(row.key);
  EntryKeyReader key(entry.key);
  auto name_space = key.text();
  if (!name_space) return no_key("a result");
  CAIRN_TRY(const ResultEnvelope envelope, decode_result(entry.value));
  row.name_space = *std::move(name_space);
  row.name = key.rest();
  row.version = entry.version;
  row.serializer = envelope.value.serializer;
  row.bytes = envelope.value.bytes;
  if (envelope.content_bytes > 0) {
    CAIRN_TRY(const std::string content, content_of(entry));
    const Bytes bytes = as_bytes(content);
    row.bytes.assign(bytes.begin(), bytes.end());
    if (bytes.size() != envelope.content_bytes) {
      return make_error(ErrorCode::corruption, "the content of a result has another size");
    }
  }
  if (envelope.value.tensor) {
    row.dtype = dtype_name(envelope.value.tensor->dtype);
    CAIRN_TRY(row.shape, shape_of(envelope.value.tensor->shape));
  }
  row.experiment = envelope.experiment;
  row.created_ns = envelope.created_ns;
  if (envelope.expires_store_ns > 0) row.expires_store_ns = envelope.expires_store_ns;
  if (envelope.cost_ns > 0) {
    row.cost_ns = envelope.cost_ns;
    row.eviction_clock = envelope.eviction_clock;
  }
  return batch.put(row);
}

Status PostgresRows::add_experiment(const StoredEntry& entry, Batch& batch) {
  EntryKeyReader key(entry.key);
  auto name = key.text();
  if (!name || !key.rest().empty()) return no_key("an experiment");
  postgres::ExperimentRow row;
  row.key.name = *std::move(name);
  if (entry.removed) return batch.remove(row.key);
  CAIRN_TRY(const ExperimentRecord record, decode_experiment(entry.value));
  row.number = static_cast<std::uint64_t>(record.number);
  row.status = experiment_status_name(record.status);
  row.config = record.config;
  row.search_space = record.search_space;
  row.optimizer = record.optimizer;
  row.created_ns = record.created_ns;
  row.updated_ns = record.updated_ns;
  row.completed_ns = record.completed_ns;
  return batch.put(row);
}

// Its evaluations and what is summed up of them all. What is summed up of a generation SQL sums up as well.
Status PostgresRows::add_of_experiment(const StoredEntry& entry, Batch& batch) {
  EntryKeyReader key(entry.key);
  const auto number = key.number();
  if (!number || key.rest().empty()) return {};
  if (key.rest().front() == kProgress) {
    postgres::ProgressRow row{.key = {.number = *number}};
    if (entry.removed) return batch.remove(row.key);
    CAIRN_TRY(const ExperimentProgress progress, decode_progress(entry.value));
    row.updated_ns = progress.updated_ns;
    row.heartbeat_store_ns = progress.heartbeat_store_ns;
    row.evaluations = progress.tally.count;
    row.not_a_number = progress.tally.not_a_number;
    row.infinite = progress.tally.infinite;
    row.min = progress.tally.min;
    row.max = progress.tally.max;
    row.mean = progress.tally.mean;
    row.squares = progress.tally.sum;
    return batch.put(row);
  }
  if (key.rest().front() != kEvaluation) return {};
  postgres::EvaluationRow row;
  row.key.experiment = *number;
  CAIRN_TRY(row.key.architecture_hash, hash_in_key(store_.header().digest, entry.key));
  if (entry.removed) return batch.remove(row.key);
  CAIRN_TRY(Evaluation evaluation, decode_evaluation(entry.value));
  row.fitness = evaluation.fitness;
  row.generation = evaluation.generation;
  row.worker = std::move(evaluation.worker);
  row.duration_seconds = evaluation.duration_seconds;
  row.recorded_ns = evaluation.recorded_ns;
  row.metrics = std::move(evaluation.metrics);
  row.architecture = std::move(evaluation.architecture);
  return batch.put(row);
}

Status PostgresRows::add_metrics(const StoredEntry& entry, Batch& batch) {
  const postgres::MetricKey block_key{postgres::entry_id(entry.key)};
  if (entry.removed) return batch.remove(block_key);
  EntryKeyReader key(entry.key);
  const auto run = key.text();
  const auto block = key.number();
  if (!run || !block) return no_key("a block of metrics");
  std::string content;
  if (!entry.references.empty()) {
    CAIRN_TRY(content, content_of(entry));
  }
  CAIRN_TRY(const MetricRows rows, decode_metric_block(as_bytes(entry.references.empty() ? entry.value : content)));
  std::uint64_t bytes = 0;
  for (const MetricColumn& column : rows.columns()) bytes += bytes_in_rows(column);
  if (bytes > kMetricBytesMax) {
    return make_error(ErrorCode::invalid_argument, "the points of a block of metrics are " + std::to_string(bytes) +
                                                       " bytes, of which a database takes " +
                                                       std::to_string(kMetricBytesMax) + " at most");
  }
  std::vector<postgres::MetricRow> parts;
  for (const MetricColumn& column : rows.columns()) {
    postgres::MetricRow& part = parts.emplace_back(row_of(rows, column));
    part.key = block_key;
    part.run = *run;
    part.block = *block;
  }
  return batch.put(block_key, std::span<const postgres::MetricRow>(parts));
}

Status PostgresRows::add_ref(const RefRecord& ref, Batch& batch) {
  postgres::RefRow row{.key = {.name = ref.name, .version = ref.version}};
  if (ref.removed) return batch.remove(row.key);
  row.snapshot = id(ref.snapshot);
  row.created_ns = ref.created_ns;
  row.logical_bytes = ref.logical_bytes;
  row.tags = ref.tags;

  // Everything is read before anything is said.
  CAIRN_TRY(const SnapshotManifest snapshot, load_snapshot(store_.blocks(), ref.snapshot));
  CAIRN_TRY(const TreeManifest tree, load_tree(store_.blocks(), snapshot.tree));
  std::vector<postgres::FileRow> files;
  std::vector<std::pair<Digest, std::vector<postgres::TensorRow>>> models;
  for (const TreeEntry& entry : tree.entries) {
    files.push_back({.key = {id(ref.snapshot)},
                     .path = entry.path,
                     .kind = std::string(kFileKinds[static_cast<std::size_t>(entry.kind)]),
                     .bytes = entry.bytes,
                     .id = id(entry.blob),
                     .is_model = entry.is_model || entry.kind == EntryKind::state,
                     .note = entry.note});
    if (!files.back().is_model || said_models_.contains(entry.blob)) continue;
    CAIRN_TRY(auto tensors, tensors_of(entry));
    models.emplace_back(entry.blob, std::move(tensors));
  }
  postgres::SnapshotRow of_snapshot{.key = {id(ref.snapshot)}, .tree = id(snapshot.tree)};
  if (snapshot.has_parent) of_snapshot.parent = id(snapshot.parent);
  of_snapshot.created_ns = snapshot.created_ns;
  of_snapshot.logical_bytes = snapshot.logical_bytes;
  of_snapshot.files = snapshot.files;
  of_snapshot.tensors = snapshot.tensors;
  of_snapshot.metadata = snapshot.metadata;
  for (const auto& [model, tensors] : models) {
    CAIRN_CHECK(batch.put(postgres::TensorsKey{id(model)}, std::span<const postgres::TensorRow>(tensors)));
    said_models_.insert(model);
  }
  CAIRN_CHECK(batch.put(of_snapshot));
  CAIRN_CHECK(batch.put(postgres::FilesKey{id(ref.snapshot)}, std::span<const postgres::FileRow>(files)));
  return batch.put(row);
}

Result<std::vector<postgres::TensorRow>> PostgresRows::tensors_of(const TreeEntry& file) const {
  std::vector<postgres::TensorRow> rows;
  const auto add_row = [&](const std::string& name, const Digest& tensor, std::uint64_t bytes) {
    postgres::TensorRow& row = rows.emplace_back();
    row.key = {id(file.blob)};
    row.name = name;
    row.id = id(tensor);
    row.bytes = bytes;
  };
  const auto add_tensor = [&](const std::string& name, const Digest& tensor, std::uint64_t bytes) -> Status {
    CAIRN_TRY(const TensorManifest manifest, load_tensor(store_.blocks(), tensor));
    add_row(name, tensor, bytes);
    rows.back().dtype = dtype_name(manifest.dtype);
    CAIRN_TRY(rows.back().shape, shape_of(manifest.shape));
    return {};
  };
  if (file.kind != EntryKind::state) {
    CAIRN_TRY(const ModelManifest model, load_model(store_.blocks(), file.blob));
    for (const ModelTensor& tensor : model.tensors) CAIRN_CHECK(add_tensor(tensor.name, tensor.tensor, tensor.bytes));
    return rows;
  }
  CAIRN_TRY(const StateManifest state, load_state(store_.blocks(), file.blob));
  for (const StateValue& value : state.values) {
    if (value.kind == RecordKind::tensor) {
      CAIRN_CHECK(add_tensor(value.name, value.id, value.bytes));
    } else {
      add_row(value.name, value.id, value.bytes);
    }
  }
  return rows;
}

}  // namespace cairn
#endif
