// SPDX-License-Identifier: Apache-2.0
#include "replication/postgres/rows.h"

#include <openssl/evp.h>

#include <algorithm>
#include <utility>

namespace cairn::postgres {
namespace {

constexpr std::string_view kMetricTypes[] = {"real", "integer", "text"};

std::int64_t lowest(const std::vector<std::int64_t>& steps) {
  return steps.empty() ? 0 : *std::ranges::min_element(steps);
}
std::int64_t highest(const std::vector<std::int64_t>& steps) {
  return steps.empty() ? 0 : *std::ranges::max_element(steps);
}
std::string_view as_text(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Of what has a dtype.
std::vector<std::int64_t> shape_of(CellReader& cells) {
  return cells.optional(&CellReader::int8s).value_or(std::vector<std::int64_t>());
}

}  // namespace

Bytes sha256(std::string_view bytes) {
  Bytes digest(32);
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size, EVP_sha256(), nullptr);
  return digest;
}
EntryId entry_id(std::string_view entry_key) { return {sha256(entry_key)}; }

void ExperimentRow::write(CellWriter& cells) const {
  cells.count(number).text(status).text(config).jsonb(config).text(search_space).jsonb(search_space).text(optimizer);
  cells.int8(created_ns).int8(updated_ns).optional(completed_ns, &CellWriter::int8);
}
ExperimentRow ExperimentRow::read(CellReader& cells) {
  ExperimentRow row;
  row.key.name = cells.text();
  row.number = cells.count();
  row.status = cells.text();
  row.config = cells.text();
  cells.skip();
  row.search_space = cells.text();
  cells.skip();
  row.optimizer = cells.text();
  row.created_ns = cells.int8();
  row.updated_ns = cells.int8();
  row.completed_ns = cells.optional(&CellReader::int8);
  return row;
}

void ProgressRow::write(CellWriter& cells) const {
  cells.int8(updated_ns).count(heartbeat_store_ns).count(evaluations).count(not_a_number).count(infinite);
  cells.float8(min).float8(max).float8(mean).float8(squares);
}
ProgressRow ProgressRow::read(CellReader& cells) {
  ProgressRow row;
  row.key.number = cells.count();
  row.updated_ns = cells.int8();
  row.heartbeat_store_ns = cells.count();
  row.evaluations = cells.count();
  row.not_a_number = cells.count();
  row.infinite = cells.count();
  row.min = cells.float8();
  row.max = cells.float8();
  row.mean = cells.float8();
  row.squares = cells.float8();
  return row;
}

void EvaluationRow::write(CellWriter& cells) const {
  cells.float8(fitness).count(generation).text(worker).float8(duration_seconds).int8(recorded_ns);
  cells.numbers_jsonb(metrics).text(architecture).jsonb(architecture);
}
EvaluationRow EvaluationRow::read(CellReader& cells) {
  EvaluationRow row;
  row.key.experiment = cells.count();
  row.key.architecture_hash = cells.text();
  row.fitness = cells.float8();
  row.generation = cells.count();
  row.worker = cells.text();
  row.duration_seconds = cells.float8();
  row.recorded_ns = cells.int8();
  row.metrics = cells.numbers_jsonb();
  row.architecture = cells.text();
  cells.skip();
  return row;
}

void ResultRow::write(CellWriter& cells) const {
  cells.text(name_space).text(name).count(version).text(serializer).bytea(bytes);
  cells.jsonb(serializer == kJson ? as_text(bytes) : std::string_view());
  cells.optional(dtype, &CellWriter::text);
  if (dtype) {
    cells.int8s(shape);
  } else {
    cells.null();
  }
  cells.text(experiment).int8(created_ns).optional(expires_store_ns, &CellWriter::count);
  cells.optional(cost_ns, &CellWriter::count).optional(eviction_clock, &CellWriter::float8);
}
ResultRow ResultRow::read(CellReader& cells) {
  ResultRow row;
  row.key.id.sha256 = cells.bytea();
  row.name_space = cells.text();
  row.name = cells.text();
  row.version = cells.count();
  row.serializer = cells.text();
  row.bytes = cells.bytea();
  cells.skip();
  row.dtype = cells.optional(&CellReader::text);
  row.shape = shape_of(cells);
  row.experiment = cells.text();
  row.created_ns = cells.int8();
  row.expires_store_ns = cells.optional(&CellReader::count);
  row.cost_ns = cells.optional(&CellReader::count);
  row.eviction_clock = cells.optional(&CellReader::float8);
  return row;
}

void MetricRow::write(CellWriter& cells) const {
  cells.text(run).count(block).text(series).text(kMetricTypes[static_cast<std::size_t>(type)]).count(steps.size());
  cells.int8(lowest(steps)).int8(highest(steps)).int8s(steps).int8s(times_ns);
  type == MetricType::real ? cells.float8s(reals) : cells.null();
  type == MetricType::integer ? cells.int8s(integers) : cells.null();
  type == MetricType::text ? cells.texts(texts) : cells.null();
}
MetricRow MetricRow::read(CellReader& cells) {
  MetricRow row;
  row.key.id.sha256 = cells.bytea();
  cells.skip();  // part
  row.run = cells.text();
  row.block = cells.count();
  row.series = cells.text();
  const std::string type = cells.text();
  const auto* const known = std::ranges::find(kMetricTypes, type);
  row.type = static_cast<MetricType>((known - kMetricTypes) % static_cast<std::ptrdiff_t>(std::size(kMetricTypes)));
  cells.skip();  // points
  cells.skip();  // min_step
  cells.skip();  // max_step
  row.steps = cells.int8s();
  row.times_ns = cells.int8s();
  row.reals = cells.optional(&CellReader::float8s).value_or(std::vector<double>());
  row.integers = cells.optional(&CellReader::int8s).value_or(std::vector<std::int64_t>());
  row.texts = cells.optional(&CellReader::texts).value_or(std::vector<std::string>());
  const std::size_t values = row.reals.size() + row.integers.size() + row.texts.size();
  if (known == std::end(kMetricTypes) || values == 0 || values != row.steps.size() || values != row.times_ns.size()) {
    cells.refuse("and those before it are no stretch of metrics");
  }
  return row;
}

void RefRow::write(CellWriter& cells) const {
  cells.bytea(snapshot).int8(created_ns).count(logical_bytes).texts_jsonb(tags);
}
RefRow RefRow::read(CellReader& cells) {
  RefRow row;
  row.key.name = cells.text();
  row.key.version = cells.count();
  row.snapshot = cells.bytea();
  row.created_ns = cells.int8();
  row.logical_bytes = cells.count();
  row.tags = cells.texts_jsonb();
  return row;
}

void SnapshotRow::write(CellWriter& cells) const {
  cells.bytea(tree).optional(parent, &CellWriter::bytea).int8(created_ns).count(logical_bytes).count(files);
  cells.count(tensors).texts_jsonb(metadata);
}
SnapshotRow SnapshotRow::read(CellReader& cells) {
  SnapshotRow row;
  row.key.id = cells.bytea();
  row.tree = cells.bytea();
  row.parent = cells.optional(&CellReader::bytea);
  row.created_ns = cells.int8();
  row.logical_bytes = cells.count();
  row.files = cells.count();
  row.tensors = cells.count();
  row.metadata = cells.texts_jsonb();
  return row;
}

void FileRow::write(CellWriter& cells) const {
  cells.text(path).text(kind).count(bytes).bytea(id).boolean(is_model).text(note);
}
FileRow FileRow::read(CellReader& cells) {
  FileRow row;
  row.key.snapshot = cells.bytea();
  cells.skip();  // part
  row.path = cells.text();
  row.kind = cells.text();
  row.bytes = cells.count();
  row.id = cells.bytea();
  row.is_model = cells.boolean();
  row.note = cells.text();
  return row;
}

void TensorRow::write(CellWriter& cells) const {
  cells.text(name).bytea(id).optional(dtype, &CellWriter::text);
  if (dtype) {
    cells.int8s(shape);
  } else {
    cells.null();
  }
  cells.count(bytes);
}
TensorRow TensorRow::read(CellReader& cells) {
  TensorRow row;
  row.key.model = cells.bytea();
  cells.skip();  // part
  row.name = cells.text();
  row.id = cells.bytea();
  row.dtype = cells.optional(&CellReader::text);
  row.shape = shape_of(cells);
  row.bytes = cells.count();
  return row;
}

LeftOutKey left_out_key(std::uint8_t kind, std::string_view statement_key) {
  return {entry_id(std::string(1, static_cast<char>(kind)).append(statement_key))};
}
void LeftOutRow::write(CellWriter& cells) const {
  cells.count(kind).bytea(std::as_bytes(std::span(statement_key))).text(why);
}
LeftOutRow LeftOutRow::read(CellReader& cells) {
  LeftOutRow row;
  row.key.id.sha256 = cells.bytea();
  const std::uint64_t kind = cells.count();
  row.kind = static_cast<std::uint8_t>(kind);
  if (row.kind != kind) cells.refuse("is no kind of statement");
  const Bytes key = cells.bytea();
  row.statement_key = as_text(key);
  row.why = cells.text();
  return row;
}

}  // namespace cairn::postgres
