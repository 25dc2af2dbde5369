// SPDX-License-Identifier: Apache-2.0
//
// Results and metrics of the C interface.
#include "api/c/handle.h"

using namespace cairn;  // NOLINT(google-build-using-namespace)
using cairn::c::call;
using cairn::c::need;

namespace {

constexpr cairn_result_options kResultDefaults = CAIRN_RESULT_OPTIONS_INIT;
constexpr std::size_t kRowValuesMax = 512;  // of MetricRun::log()

Result<std::string> key_of(const void* key, std::size_t bytes) {
  CAIRN_CHECK(need(key, "the key"));
  return std::string(static_cast<const char*>(key), bytes);
}

Error no_result(const std::string& key) {
  return {.code = ErrorCode::not_found, .message = "no result of a key of " + std::to_string(key.size()) + " bytes"};
}

Result<NamedMetric> metric_of(const cairn_metric& given) {
  CAIRN_CHECK(need(given.name, "a metric's name"));
  switch (given.kind) {
    case CAIRN_REAL: return NamedMetric{given.name, given.real};
    case CAIRN_INTEGER: return NamedMetric{given.name, given.integer};
    case CAIRN_TEXT:
      CAIRN_CHECK(need(given.text, "a metric's text"));
      return NamedMetric{given.name, std::string_view(given.text)};
  }
  return c::wrong("no such kind of metric: " + std::to_string(given.kind));
}

}  // namespace

extern "C" {

cairn_code cairn_result_put(cairn_store* store, const char* name_space, const void* key, size_t key_bytes,
                            const void* data, size_t bytes, const cairn_result_options* options, uint64_t* version) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_TRY(const std::string name, key_of(key, key_bytes));
    if (bytes > 0) CAIRN_CHECK(need(data, "the data"));
    CAIRN_TRY(const cairn_result_options given, c::options_of(options, kResultDefaults));
    if (given.ttl_ns < 0 || given.cost_ns < 0) return c::wrong("a time below 0");
    ResultOptions how;
    if (given.ttl_ns > 0) how.ttl = std::chrono::nanoseconds(given.ttl_ns);
    if (given.cost_ns > 0) how.cost = std::chrono::nanoseconds(given.cost_ns);
    how.experiment = c::text_of(given.experiment);
    ResultValue value;
    if (given.serializer != nullptr) value.serializer = given.serializer;
    const auto* begin = static_cast<const std::byte*>(data);
    if (bytes > 0) value.bytes.assign(begin, begin + bytes);
    CAIRN_TRY(const std::uint64_t put, store->store.results(c::text_of(name_space)).put(name, std::move(value), how));
    if (version != nullptr) *version = put;
    return {};
  });
}

cairn_code cairn_result_get(cairn_store* store, const char* name_space, const void* key, size_t key_bytes, void** data,
                            size_t* bytes, char** serializer) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(data, "the place for the data"));
    CAIRN_CHECK(need(bytes, "the place for the size"));
    CAIRN_TRY(const std::string name, key_of(key, key_bytes));
    CAIRN_TRY(const auto found, store->store.results(c::text_of(name_space)).get(name));
    if (!found) return no_result(name);
    char* words = serializer != nullptr ? c::copy_of(found->serializer) : nullptr;
    void* memory = std::malloc(found->bytes.empty() ? 1 : found->bytes.size());
    if (memory == nullptr) {
      std::free(words);
      throw std::bad_alloc();
    }
    if (!found->bytes.empty()) std::memcpy(memory, found->bytes.data(), found->bytes.size());
    *data = memory;
    *bytes = found->bytes.size();
    if (serializer != nullptr) *serializer = words;
    return {};
  });
}

cairn_code cairn_result_remove(cairn_store* store, const char* name_space, const void* key, size_t key_bytes) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_TRY(const std::string name, key_of(key, key_bytes));
    CAIRN_TRY(const bool removed, store->store.results(c::text_of(name_space)).remove(name));
    return removed ? Status() : Status(no_result(name));
  });
}

cairn_code cairn_run_open(cairn_store* store, const char* name, cairn_run** run) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(name, "the name"));
    CAIRN_CHECK(need(run, "the place for the run"));
    CAIRN_TRY(Metrics metrics, store->store.metrics());
    CAIRN_TRY(MetricRun opened, metrics.run(name));
    *run = new cairn_run{std::move(opened)};
    return {};
  });
}

cairn_code cairn_run_log(cairn_run* run, int64_t step, const cairn_metric* values, size_t count) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(run, "the run"));
    if (count > kRowValuesMax) return c::wrong("a row of more than 512 values");
    if (count > 0) CAIRN_CHECK(need(values, "the values"));
    thread_local std::vector<NamedMetric> row;
    row.clear();
    for (size_t i = 0; i < count; ++i) {
      CAIRN_TRY(const NamedMetric value, metric_of(values[i]));
      row.push_back(value);
    }
    return run->run.log(step, row);
  });
}

void cairn_run_free(cairn_run* run) { delete run; }

cairn_code cairn_metrics_flush(cairn_store* store) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_TRY(Metrics metrics, store->store.metrics());
    return metrics.flush();
  });
}

cairn_code cairn_metrics_query(cairn_store* store, const char* run, const char* series, cairn_point** points,
                               size_t* count) {
  return call([&]() -> Status {
    CAIRN_CHECK(need(store, "the store"));
    CAIRN_CHECK(need(run, "the run"));
    CAIRN_CHECK(need(series, "the series"));
    CAIRN_CHECK(need(points, "the place for the points"));
    CAIRN_CHECK(need(count, "the place for their number"));
    CAIRN_TRY(Metrics metrics, store->store.metrics());
    CAIRN_TRY(const MetricCurve curve, metrics.query(run, series));
    std::vector<cairn_point> all;
    all.reserve(curve.points.size());
    for (const MetricPoint& point : curve.points) all.push_back({point.step, point.time_ns, point.value});
    *points = static_cast<cairn_point*>(c::copy_of(all.data(), all.size() * sizeof(cairn_point)));
    *count = all.size();
    return {};
  });
}

}  // extern "C"
