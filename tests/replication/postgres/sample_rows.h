// SPDX-License-Identifier: Apache-2.0
//
// Rows with what is hard to carry in them: every kind of row, and many of one kind.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/replication/postgres/fixture.h"

namespace cairn::postgres {

inline const std::string kAnyBytes = std::string("\0\xff\\ü\n\x01", 7);
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

inline EvaluationRow evaluation(std::uint64_t number, double fitness = 0.5) {
  return {.key = {.experiment = 1, .architecture_hash = "blake3:" + std::to_string(number)},
          .fitness = fitness,
          .generation = number / 100,
          .worker = "worker-" + std::to_string(number % 8),
          .duration_seconds = 1.5,
          .recorded_ns = 1'700'000'000'000'000'001 + static_cast<std::int64_t>(number),
          .metrics = {{"loss", 1.0 / (1.0 + static_cast<double>(number))}},
          .architecture = R"({"layers":[)" + std::to_string(number) + "]}"};
}

inline std::vector<ExperimentRow> experiments() {
  return {{.key = {.name = "plain"},
           .number = 1,
           .status = "running",
           .config = R"({"lr": 0.10, "lr": 1})",
           .search_space = "",
           .optimizer = "adam",
           .created_ns = 1,
           .updated_ns = -1,
           .completed_ns = std::nullopt},
          {.key = {.name = kAnyBytes},
           .number = kMost,
           .status = "completed",
           .config = R"(["\u0000"])",
           .search_space = R"({"ü": "\ud83d\ude00"})",
           .optimizer = kAnyBytes,
           .created_ns = std::numeric_limits<std::int64_t>::min(),
           .updated_ns = kMost,
           .completed_ns = 0}};
}
inline std::vector<ProgressRow> progress() {
  return {{.key = {.number = 1},
           .updated_ns = 5,
           .heartbeat_store_ns = kMost,
           .evaluations = 3,
           .not_a_number = 1,
           .infinite = 1,
           .min = -kInfinity,
           .max = kInfinity,
           .mean = -0.0,
           .squares = 5e-324}};
}
inline std::vector<EvaluationRow> evaluations() {
  EvaluationRow any = evaluation(2, -kInfinity);
  any.key.architecture_hash = kAnyBytes;
  any.worker = "";
  any.architecture = "";
  any.metrics = {{kAnyBytes, kInfinity}, {"", -kInfinity}, {"-0", -0.0}, {"most", std::numeric_limits<double>::max()}};
  EvaluationRow nan = evaluation(3, std::nan(""));
  nan.metrics = {};
  return {evaluation(1), any, nan, evaluation(4, kInfinity), evaluation(5, -0.0)};
}
inline std::vector<ResultRow> results() {
  const auto row = [](const std::string& key) {
    ResultRow result;
    result.key = {entry_id(key)};
    result.name = key;
    result.version = 1;
    return result;
  };
  ResultRow json = row("json"), tensor = row("tensor"), any = row(kAnyBytes), large = row(std::string(2048, '\xee'));
  json.name_space = "eval";
  json.serializer = "json";
  json.bytes = bytes_of(R"({"fitness": 0.25, "text": "ключ"})");
  json.experiment = "plain";
  json.expires_store_ns = 1'000;
  json.cost_ns = 5;
  json.eviction_clock = 0.25;
  tensor.serializer = "tensor";
  tensor.dtype = "float32";
  tensor.shape = {2, 0, 3};
  any.serializer = "json";
  any.bytes = bytes_of("\"\\u0000\"");
  any.name_space = kAnyBytes;
  any.experiment = kAnyBytes;
  large.serializer = "bytes";
  large.bytes = Bytes(3'000'000, std::byte{0});
  return {json, tensor, any, large};
}
inline MetricRow metric(const std::string& run, const std::string& block, const std::string& series) {
  MetricRow row;
  row.key = {entry_id(run + "/" + block)};
  row.run = run;
  row.block = block.size();
  row.series = series;
  return row;
}
inline std::vector<MetricRow> metrics() {
  MetricRow reals = metric("run", "0", "loss"), integers = metric("run", "0", "epoch"),
            texts = metric("run", "0", kAnyBytes);
  reals.steps = {1, 2, 2};
  reals.times_ns = {10, 20, 20};
  reals.reals = {std::nan(""), kInfinity, -0.0};
  integers.type = MetricType::integer;
  integers.steps = {-1};
  integers.times_ns = {kMost};
  integers.integers = {(std::int64_t{1} << 53) + 1};
  texts.type = MetricType::text;
  texts.steps = {0, 1};
  texts.times_ns = {0, 0};
  texts.texts = {"", kAnyBytes};
  return {reals, integers, texts};
}
inline std::vector<RefRow> refs() {
  return {{.key = {.name = "checkpoints/run", .version = 400},
           .snapshot = bytes_of("s1"),
           .created_ns = 1,
           .logical_bytes = 10,
           .tags = {{"metric:loss", "0.5"}, {kAnyBytes, kAnyBytes}}},
          {.key = {.name = "llama", .version = 1},
           .snapshot = bytes_of("s2"),
           .created_ns = 2,
           .logical_bytes = 0,
           .tags = {}}};
}
inline std::vector<SnapshotRow> snapshots() {
  return {{.key = {bytes_of("s1")},
           .tree = bytes_of("t1"),
           .parent = std::nullopt,
           .created_ns = 1,
           .logical_bytes = 1,
           .files = 1,
           .tensors = 2,
           .metadata = {{"host", kAnyBytes}}},
          {.key = {bytes_of("s2")},
           .tree = bytes_of("t2"),
           .parent = bytes_of("s1"),
           .created_ns = 2,
           .logical_bytes = 2,
           .files = 2,
           .tensors = 0,
           .metadata = {}}};
}
inline std::vector<FileRow> files() {
  return {{.key = {bytes_of("s1")},
           .path = "state",
           .kind = "state",
           .bytes = 8,
           .id = bytes_of("m1"),
           .is_model = true,
           .note = ""},
          {.key = {bytes_of("s1")},
           .path = kAnyBytes,
           .kind = "symlink",
           .bytes = 0,
           .id = bytes_of(""),
           .is_model = false,
           .note = kAnyBytes}};
}
inline std::vector<TensorRow> tensors() {
  return {{.key = {bytes_of("m1")}, .name = "w", .id = bytes_of("x1"), .dtype = "bfloat16", .shape = {}, .bytes = 2},
          {.key = {bytes_of("m1")},
           .name = kAnyBytes,
           .id = bytes_of("x2"),
           .dtype = std::nullopt,
           .shape = {},
           .bytes = 5}};
}

inline std::vector<LeftOutRow> left_out() {
  return {{.key = left_out_key(12, kAnyBytes), .kind = 12, .statement_key = kAnyBytes, .why = "a block is damaged"}};
}

}  // namespace cairn::postgres
