// SPDX-License-Identifier: Apache-2.0
#include "api/cli/evaluation_line.h"

#include <fmt/format.h>

#include <utility>

#include "api/cli/json_fields.h"
#include "api/cli/json_members.h"

namespace cairn::cli {
namespace {

constexpr std::size_t kLineBytesMax = std::size_t{8} << 20;
constexpr std::size_t kBatchLines = 1000;
constexpr std::size_t kBatchBytes = std::size_t{4} << 20;  // of lines

Error wrong(std::string why) { return {.code = ErrorCode::invalid_argument, .message = std::move(why)}; }

}  // namespace

std::string line_of(const Evaluation& evaluation) {
  Json metrics = Json::object();
  for (const auto& [name, value] : evaluation.metrics) metrics[name] = exact_number(value);
  const Json fields = {{"schema_version", kSchemaVersion},
                       {"hash", evaluation.hash},
                       {"architecture", evaluation.architecture},
                       {"fitness", exact_number(evaluation.fitness)},
                       {"metrics", std::move(metrics)},
                       {"generation", evaluation.generation},
                       {"worker", evaluation.worker},
                       {"duration_seconds", exact_number(evaluation.duration_seconds)},
                       {"recorded", utc_text(evaluation.recorded_ns)}};
  return json_text(fields) + "\n";
}

Result<Evaluation> read_evaluation_line(std::string_view line) {
  CAIRN_TRY(const JsonMembers members, members_of(line));
  Evaluation evaluation;
  if (const auto architecture = members.find("architecture"); architecture != members.end()) {
    const bool is_text = architecture->second.starts_with('"');
    CAIRN_TRY(auto text, is_text ? text_member(members, "architecture") : std::optional<std::string>());
    evaluation.architecture = text ? std::move(*text) : std::string(architecture->second);
  }
  CAIRN_TRY(auto hash, text_member(members, "hash"));
  evaluation.hash = std::move(hash).value_or("");
  if (evaluation.architecture.empty() && evaluation.hash.empty()) return wrong("has no architecture and no hash");
  CAIRN_TRY(auto worker, text_member(members, "worker"));
  evaluation.worker = std::move(worker).value_or("");
  CAIRN_TRY(const auto fitness, number_member(members, "fitness"));
  evaluation.fitness = fitness.value_or(evaluation.fitness);
  CAIRN_TRY(const auto duration, number_member(members, "duration_seconds"));
  evaluation.duration_seconds = duration.value_or(0);
  if (const auto generation = members.find("generation"); generation != members.end()) {
    const Json json = Json::parse(generation->second);
    if (!json.is_number_unsigned()) return wrong("generation is no whole number of 64 bits");
    evaluation.generation = json.get<std::uint64_t>();
  }
  if (const auto metrics = members.find("metrics"); metrics != members.end()) {
    CAIRN_TRY(const JsonMembers each, members_of(metrics->second));
    for (const auto& [name, text] : each) {
      const auto number = read_exact_number(Json::parse(text));
      if (!number) return wrong("metric '" + printable(name) + "' is no number");
      evaluation.metrics.emplace(name, *number);
    }
  }
  return evaluation;
}

Status read_evaluation_lines(InputFile& in, const WriteEvaluations& write) {
  std::vector<Evaluation> batch;
  std::size_t bytes = 0;
  std::uint64_t first = 0, last = 0;
  const auto flush = [&]() -> Status {
    bytes = 0;
    const bool names_lines = !batch.empty();
    Status status = write(std::exchange(batch, {}));
    if (status.ok() || !names_lines) return status;
    return std::move(status).error().with_context(fmt::format("{}, lines {} to {}", in.path(), first, last));
  };
  std::string text;
  for (;;) {
    CAIRN_TRY(const bool is_there, in.line(text, kLineBytesMax));
    if (!is_there) return flush();
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto evaluation = read_evaluation_line(text);
    if (!evaluation.ok()) {
      return std::move(evaluation).error().with_context(fmt::format("{}, line {}", in.path(), in.line_number()));
    }
    if (!batch.empty() && (batch.size() == kBatchLines || bytes + text.size() > kBatchBytes)) CAIRN_CHECK(flush());
    if (batch.empty()) first = in.line_number();
    last = in.line_number();
    bytes += text.size();
    batch.push_back(std::move(*evaluation));
  }
}

}  // namespace cairn::cli
