// SPDX-License-Identifier: Apache-2.0
#include "api/cli/json_fields.h"

namespace cairn::cli {
namespace {

template <class Items>
Json array_of(const Items& items) {
  Json array = Json::array();
  for (const auto& item : items) array.push_back(to_json(item));
  return array;
}

// An empty map is an object too.
template <class Value>
Json object_of(const std::map<std::string, Value>& map) {
  Json object = Json::object();
  for (const auto& [key, value] : map) object[key] = value;
  return object;
}

}  // namespace

Json to_json(const TensorChange& change) {
  Json json = {{"path", change.path},
               {"name", change.name},
               {"what", change.what},
               {"bytes", change.bytes},
               {"changed_bytes", change.changed_bytes}};
  // JSON has no infinity and no NaN: those become null.
  if (change.max_abs_difference) json["max_abs_difference"] = *change.max_abs_difference;
  if (change.mean_abs_difference) json["mean_abs_difference"] = *change.mean_abs_difference;
  return json;
}

Json to_json(const Object& object) {
  Json json = {{"id", object.id}, {"kind", object.tensor ? "tensor" : "blob"}, {"bytes", object.bytes}};
  if (object.tensor) {
    json["dtype"] = dtype_name(object.tensor->dtype);
    json["shape"] = object.tensor->shape;
  }
  json["names"] = Json::array();
  for (const ObjectName& name : object.names) {
    json["names"].push_back(
        {{"name", name.name}, {"created", utc_text(name.created_ns)}, {"attributes", object_of(name.attributes)}});
  }
  return json;
}

Json to_json(const Damage& damage) { return {{"what", damage.what}, {"id", damage.id}, {"affected", damage.affected}}; }

Json to_json(const RefInfo& ref) {
  return {{"name", ref.name},
          {"version", ref.version},
          {"snapshot", ref.snapshot},
          {"created", utc_text(ref.created_ns)},
          {"logical_bytes", ref.logical_bytes},
          {"tags", object_of(ref.tags)}};
}

Json to_json(const VersionInfo& version) {
  Json json = to_json(version.ref);
  json["files"] = version.files;
  json["tensors"] = version.tensors;
  json["parent"] = version.parent.empty() ? Json() : Json(version.parent);
  json["parent_version"] = version.parent_version ? Json(*version.parent_version) : Json();
  return json;
}

Json to_json(const ForgetReport& report) {
  return {{"removed", report.removed.size()}, {"kept", report.kept}, {"versions", array_of(report.removed)}};
}

Json to_json(const EntryInfo& entry) {
  Json json = {{"path", entry.path},     {"kind", entry.kind},
               {"bytes", entry.bytes},   {"id", entry.id},
               {"format", entry.format}, {"tensors", entry.tensors},
               {"mode", entry.mode},     {"mtime", utc_text(entry.mtime_ns)}};
  if (entry.kind == "symlink") json["link_target"] = entry.link_target;
  if (!entry.note.empty()) json["note"] = entry.note;
  return json;
}

Json to_json(const TensorBase& base) {
  return {{"ref", base.ref.empty() ? Json() : Json(base.ref)},
          {"tensor", base.ref.empty() ? Json() : Json(base.tensor)},
          {"id", base.id},
          {"blocks", base.blocks}};
}

Json to_json(const TensorInfo& tensor) {
  return {{"path", tensor.path},
          {"name", tensor.name},
          {"dtype", dtype_name(tensor.dtype)},
          {"shape", tensor.shape},
          {"bytes", tensor.bytes},
          {"id", tensor.id},
          {"blob", tensor.blob},
          {"codecs", object_of(tensor.codecs)},
          {"stored_bytes", tensor.stored_bytes},
          {"bases", array_of(tensor.bases)}};
}

Json to_json(const ObjectInfo& object) {
  Json json = {{"kind", object.kind},
               {"id", object.id},
               {"bytes", object.bytes},
               {"stored_bytes", object.stored_bytes},
               {"codecs", object_of(object.codecs)}};
  if (!object.format.empty()) json["format"] = object.format;
  if (object.ref) json["ref"] = to_json(*object.ref);
  json["metadata"] = object_of(object.metadata);
  json["entries"] = array_of(object.entries);
  json["tensors"] = array_of(object.tensors);
  return json;
}

Json to_json(const DiffReport& diff) {
  return {{"same", diff.same},
          {"changed", diff.changed},
          {"added", diff.added},
          {"removed", diff.removed},
          {"changes", array_of(diff.changes)}};
}

Json to_json(const TensorPlace& place) { return {{"ref", place.ref}, {"path", place.path}, {"tensor", place.name}}; }

Json to_json(const SameTensors& same) {
  return {{"id", same.id}, {"bytes", same.bytes}, {"places", array_of(same.places)}};
}

Json to_json(const SimilarTensors& similar) {
  Json json = {{"tensor", to_json(similar.place)},
               {"like", to_json(similar.like)},
               {"id", similar.id},
               {"like_id", similar.like_id},
               {"dtype", dtype_name(similar.tensor.dtype)},
               {"shape", similar.tensor.shape},
               {"bytes", similar.bytes},
               {"stored_bytes", similar.stored_bytes},
               {"delta_bytes", similar.delta_bytes},
               {"changed", similar.difference.changed()}};
  if (const auto& numbers = similar.difference.numbers) {
    json["cosine"] = numbers->cosine;
    json["mean_abs_difference"] = numbers->mean_difference;
    json["max_abs_difference"] = numbers->max_difference;
  }
  return json;
}

Json to_json(const SimilarReport& report) {
  return {{"tensors", report.tensors},         {"bytes", report.bytes},         {"same_bytes", report.same_bytes},
          {"saved_bytes", report.saved_bytes}, {"same", array_of(report.same)}, {"similar", array_of(report.similar)}};
}

Json to_json(const AddReport& report) {
  return {{"name", report.name},
          {"version", report.version},
          {"snapshot", report.snapshot},
          {"files", report.files},
          {"tensors", report.tensors},
          {"opaque_files", report.opaque_files},
          {"unreadable", report.unreadable},
          {"unchanged_files", report.unchanged_files},
          {"logical_bytes", report.logical_bytes},
          {"new_bytes", report.new_bytes},
          {"stored_bytes", report.stored_bytes},
          {"new_blocks", report.new_blocks},
          {"known_blocks", report.known_blocks},
          {"base", report.base},
          {"delta_blocks", report.delta_blocks}};
}

Json to_json(const StoreStats& stats) {
  return {{"logical_bytes", stats.logical_bytes},
          {"unique_bytes", stats.unique_bytes},
          {"stored_bytes", stats.stored_bytes},
          {"disk_bytes", stats.disk_bytes},
          {"reserve_bytes", stats.reserve_bytes},
          {"log_bytes", stats.log_bytes},
          {"dead_bytes", stats.dead_bytes},
          {"index_memory_bytes", stats.index_memory_bytes},
          {"objects", stats.objects},
          {"object_bytes", stats.object_bytes},
          {"refs", stats.refs},
          {"snapshots", stats.snapshots},
          {"trees", stats.trees},
          {"states", stats.states},
          {"deltas", stats.deltas},
          {"models", stats.models},
          {"tensors", stats.tensors},
          {"blobs", stats.blobs},
          {"blocks", stats.blocks},
          {"segments", stats.segments},
          {"blocks_by_codec", object_of(stats.blocks_by_codec)}};
}

Json to_json(const CheckReport& report) {
  return {{"blocks_checked", report.blocks_checked},
          {"objects_checked", report.objects_checked},
          {"bytes_read", report.bytes_read},
          {"damaged", array_of(report.damaged)}};
}

Json to_json(const GcReport& report) {
  return {{"freed_bytes", report.freed_bytes},
          {"moved_bytes", report.moved_bytes},
          {"dead_bytes", report.dead_bytes},
          {"segments", report.segments},
          {"damaged", report.damaged}};
}

Json to_json(const OptimizeReport& report) {
  return {{"before_bytes", report.before_bytes},
          {"after_bytes", report.after_bytes},
          {"blocks", report.blocks},
          {"rewritten_blocks", report.rewritten_blocks},
          {"delta_blocks", report.delta_blocks},
          {"damaged", report.damaged}};
}

Json to_json(const CloneReport& report) {
  return {{"segments", report.segments},
          {"linked_bytes", report.linked_bytes},
          {"copied_bytes", report.copied_bytes},
          {"index", report.index}};
}

Json to_json(const RepairReport& report) {
  return {{"records_replayed", report.records_replayed},
          {"blocks_repaired", report.blocks_repaired},
          {"quarantined", report.quarantined},
          {"damage", report.damage},
          {"damaged", array_of(report.damaged)}};
}

Json to_json(const RecoveryReport& report) {
  return {{"records_replayed", report.records_replayed},
          {"torn_bytes", report.torn_bytes},
          {"index_rebuilt", report.index_rebuilt},
          {"damage", report.damage}};
}

Json to_json(const ResultInfo& info) {
  Json json = {{"key", info.key},
               {"version", info.version},
               {"serializer", info.serializer},
               {"bytes", info.bytes},
               {"experiment", info.experiment},
               {"created", utc_text(info.created_ns)},
               {"access_count", info.access_count}};
  if (info.cost) json["cost_seconds"] = std::chrono::duration<double>(*info.cost).count();
  if (info.tensor) {
    json["dtype"] = dtype_name(info.tensor->dtype);
    json["shape"] = info.tensor->shape;
  }
  if (info.accessed_ns != 0) json["accessed"] = utc_text(info.accessed_ns);
  if (info.time_left) json["seconds_left"] = std::chrono::duration<double>(*info.time_left).count();
  return json;
}

Json to_json(const Experiment& experiment) {
  Json json = {{"name", experiment.name},
               {"status", experiment_status_name(experiment.status)},
               {"evaluations", experiment.evaluations},
               {"best_fitness", nullptr},
               {"config", experiment.config},
               {"search_space", experiment.search_space},
               {"optimizer", experiment.optimizer},
               {"created", utc_text(experiment.created_ns)},
               {"updated", utc_text(experiment.updated_ns)}};
  if (experiment.best_fitness) json["best_fitness"] = *experiment.best_fitness;
  if (experiment.completed_ns) json["completed"] = utc_text(*experiment.completed_ns);
  return json;
}

// What is no number becomes null: JSON has none.
Json to_json(const Evaluation& evaluation) {
  return {{"hash", evaluation.hash},
          {"architecture", evaluation.architecture},
          {"fitness", evaluation.fitness},
          {"metrics", evaluation.metrics},
          {"generation", evaluation.generation},
          {"worker", evaluation.worker},
          {"duration_seconds", evaluation.duration_seconds},
          {"recorded", utc_text(evaluation.recorded_ns)}};
}

Json to_json(const EvaluationStatistics& statistics) {
  return {{"count", statistics.count},      {"not_a_number", statistics.not_a_number},
          {"best", statistics.best},        {"min", statistics.min},
          {"mean", statistics.mean},        {"variance", statistics.variance},
          {"infinite", statistics.infinite}};
}

Json to_json(const MetricSummary& summary) {
  Json json = {{"run", summary.run},     {"series", summary.series}, {"is_text", summary.is_text},
               {"count", summary.count}, {"nans", summary.nans},     {"last", summary.last}};
  if (summary.min) json["min"] = *summary.min;
  if (summary.max) json["max"] = *summary.max;
  return json;
}

Json to_json(const MetricPoint& point) {
  return {{"step", point.step}, {"time", utc_text(point.time_ns)}, {"value", point.value}};
}

Json to_json(const MetricBucket& bucket) {
  return {{"first_step", bucket.first_step},
          {"last_step", bucket.last_step},
          {"count", bucket.count},
          {"nans", bucket.nans},
          {"min", bucket.min},
          {"max", bucket.max},
          {"mean", bucket.mean},
          {"first", bucket.first},
          {"last", bucket.last}};
}

Json to_json(const OperationInfo& operation) {
  Json json = {{"key", operation.key},
               {"state", operation_state_name(operation.state)},
               {"attempts", operation.attempts},
               {"value_bytes", operation.value_bytes},
               {"claimed", utc_text(operation.claimed_ns)}};
  if (!operation.message.empty()) json["message"] = operation.message;
  if (operation.state == OperationState::done) json["serializer"] = operation.value.serializer;
  if (operation.finished_ns != 0) json["finished"] = utc_text(operation.finished_ns);
  return json;
}

}  // namespace cairn::cli
