// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints of the C interface.
#include "api/c/put_value.h"

using namespace cairn;  // NOLINT(google-build-using-namespace)
using cairn::c::call;
using cairn::c::need;

namespace {

constexpr cairn_save_options kSaveDefaults = CAIRN_SAVE_OPTIONS_INIT;
constexpr cairn_target kTargetDefaults = CAIRN_TARGET_INIT;

Result<Checkpoints> checkpoints_of(cairn_store* store, const char* experiment) {
  CAIRN_CHECK(need(store, "the store"));
  CAIRN_CHECK(need(experiment, "the experiment"));
  return store->store.checkpoints(experiment);
}

Result<SaveOptions> options_of(const cairn_save_options* given) {
  CAIRN_TRY(const cairn_save_options options, c::options_of(given, kSaveDefaults));
  if (options.on_full < CAIRN_BLOCK || options.on_full > CAIRN_DROP) return c::wrong("no such way when it is full");
  if (options.metric_count > 0) CAIRN_CHECK(need(options.metrics, "the metrics"));
  if (options.metadata_count > 0) CAIRN_CHECK(need(options.metadata, "the metadata"));
  SaveOptions out;
  for (std::size_t i = 0; i < options.metric_count; ++i) {
    CAIRN_CHECK(need(options.metrics[i].name, "a metric's name"));
    out.metrics[options.metrics[i].name] = options.metrics[i].value;
  }
  for (std::size_t i = 0; i < options.metadata_count; ++i) {
    CAIRN_CHECK(need(options.metadata[i].name, "the name of some metadata"));
    out.metadata[options.metadata[i].name] = c::text_of(options.metadata[i].value);
  }
  if (options.keep_last > 0) out.retention.keep_last = options.keep_last;
  out.on_full = static_cast<OnFull>(options.on_full);
  out.durability = options.lazy != 0 ? Durability::lazy : Durability::grouped;
  return out;
}

Error no_checkpoint(const char* experiment) {
  return {.code = ErrorCode::not_found, .message = "'" + std::string(experiment) + "' has no such checkpoint"};
}

}  // namespace

extern "C" {

cairn_code cairn_save(cairn_store* store, const char* experiment, uint64_t generation, const cairn_put_value* values,
                      size_t count, const cairn_save_options* options, cairn_ticket** ticket) {
  return call([&]() -> Status {
    CAIRN_TRY(std::vector<c::Request> requests, c::requests_of(values, count));
    CAIRN_CHECK(need(ticket, "the place for the ticket"));
    CAIRN_TRY(Checkpoints checkpoints, checkpoints_of(store, experiment));
    CAIRN_TRY(const SaveOptions how, options_of(options));
    std::vector<Put> puts;
    for (c::Request& request : requests) {
      request.put.attributes.clear();
      puts.push_back(std::move(request.put));
    }
    requests.clear();
    *ticket = new cairn_ticket{checkpoints.save(generation, std::move(puts), how)};
    return {};
  });
}

cairn_code cairn_latest(cairn_store* store, const char* experiment, uint64_t* generation) {
  return call([&]() -> Status {
    CAIRN_TRY(Checkpoints checkpoints, checkpoints_of(store, experiment));
    CAIRN_CHECK(need(generation, "the place for the generation"));
    CAIRN_TRY(const auto latest, checkpoints.latest());
    if (!latest) return no_checkpoint(experiment);
    *generation = latest->generation;
    return {};
  });
}

cairn_code cairn_best(cairn_store* store, const char* experiment, const char* metric, int highest,
                      uint64_t* generation) {
  return call([&]() -> Status {
    CAIRN_TRY(Checkpoints checkpoints, checkpoints_of(store, experiment));
    CAIRN_CHECK(need(metric, "the metric"));
    CAIRN_CHECK(need(generation, "the place for the generation"));
    CAIRN_TRY(const auto best, checkpoints.best(metric, highest != 0 ? Best::highest : Best::lowest));
    if (!best) return no_checkpoint(experiment);
    *generation = best->generation;
    return {};
  });
}

cairn_code cairn_values(cairn_store* store, const char* experiment, uint64_t generation,
                        int (*visit)(void* context, const cairn_value* value), void* context) {
  return call([&]() -> Status {
    CAIRN_TRY(Checkpoints checkpoints, checkpoints_of(store, experiment));
    if (visit == nullptr) return c::wrong("the function to be called is NULL");
    CAIRN_TRY(const auto values, checkpoints.values(generation));
    for (const ValueInfo& one : values) {
      cairn_value value{};
      value.name = one.name.c_str();
      CAIRN_CHECK(c::set(value.id, one.id));
      value.bytes = one.bytes;
      if (one.tensor) {
        value.is_tensor = 1;
        value.dtype = static_cast<cairn_dtype>(one.tensor->dtype);
        value.dimensions = one.tensor->shape.size();
        value.shape = one.tensor->shape.data();
      }
      if (visit(context, &value) != 0) return {};
    }
    return {};
  });
}

cairn_code cairn_load_into(cairn_store* store, const char* experiment, uint64_t generation, const cairn_target* targets,
                           size_t count) {
  return call([&]() -> Status {
    CAIRN_TRY(Checkpoints checkpoints, checkpoints_of(store, experiment));
    if (count > 0) CAIRN_CHECK(need(targets, "the targets"));
    std::vector<LoadTarget> all;
    for (std::size_t i = 0; i < count; ++i) {
      const auto* at = reinterpret_cast<const std::byte*>(targets) + i * targets->size;
      CAIRN_TRY(const cairn_target target, c::options_of(reinterpret_cast<const cairn_target*>(at), kTargetDefaults));
      CAIRN_CHECK(need(target.name, "a target's name"));
      if (target.bytes > 0) CAIRN_CHECK(need(target.into, "a target's memory"));
      LoadTarget one{.name = target.name, .into = {static_cast<std::byte*>(target.into), target.bytes}};
      if (target.is_tensor != 0) {
        CAIRN_TRY(one.tensor, c::layout_of(target.dtype, target.dimensions, target.shape));
      }
      all.push_back(std::move(one));
    }
    return checkpoints.load_into(generation, all);
  });
}

cairn_code cairn_remove_checkpoint(cairn_store* store, const char* experiment, uint64_t generation) {
  return call([&]() -> Status {
    CAIRN_TRY(Checkpoints checkpoints, checkpoints_of(store, experiment));
    return checkpoints.remove(generation);
  });
}

}  // extern "C"
