// SPDX-License-Identifier: Apache-2.0
#include "engine/results/evaluation_entry.h"

#include <algorithm>
#include <bit>

#include "engine/content/canonical_json.h"
#include "engine/content/digester.h"
#include "engine/format/manifest.h"
#include "engine/results/entry_key.h"
#include "engine/results/entry_store.h"

namespace cairn {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::string_view kEvaluation = "e";
// What the index keys begin with, behind the experiment's number.
constexpr std::string_view kByFitness = "f", kByMetric = "m", kByGeneration = "n", kByWorker = "w";
// What a hash in a key begins with.
constexpr char kDigest = 1, kText = 2;
// A name's length, at least a byte of it, and its value.
constexpr std::size_t kMetricBytesMin = 4 + 1 + 8;

EntryKey key_of(ExperimentNumber number, std::string_view kind) {
  EntryKey key(EntrySpace::evaluations);
  key.number(static_cast<std::uint64_t>(number)).rest(kind);
  return key;
}

Error invalid(std::string why) { return make_error(ErrorCode::invalid_argument, std::move(why)); }

Status check_json_of(std::string_view what, std::string_view text) {
  if (text.empty()) return {};
  Status status = check_json(text);
  if (!status.ok()) return std::move(status).error().with_context(what);
  return {};
}

}  // namespace

Status check_plain_name(std::string_view what, std::string_view text, std::size_t bytes_max) {
  const bool plain = std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (!text.empty() && text.size() <= bytes_max && plain) return {};
  return invalid(std::string(what) + " '" + printable(text.substr(0, 100)) + "' does not have 1 to " +
                 std::to_string(bytes_max) + " bytes without control characters");
}

Status complete_evaluation(DigestKind digest, Evaluation& evaluation) {
  if (!evaluation.hash.empty()) {
    CAIRN_CHECK(check_plain_name("the hash of an architecture", evaluation.hash, kHashBytesMax));
    CAIRN_CHECK(check_json_of("architecture " + evaluation.hash, evaluation.architecture));
  } else {
    if (evaluation.architecture.empty()) return invalid("an evaluation has neither an architecture nor a hash");
    auto canonical = canonical_json(evaluation.architecture);
    if (!canonical.ok()) return std::move(canonical).error().with_context("architecture");
    evaluation.architecture = *std::move(canonical);
    evaluation.hash = to_text(digest, digest_of(digest, as_bytes(evaluation.architecture)));
  }
  const auto with_hash = [&](Status status) -> Status {
    if (status.ok()) return status;
    return std::move(status).error().with_context("evaluation of " + evaluation.hash);
  };
  if (evaluation.metrics.size() > kMetricsMax) {
    return with_hash(invalid("it has more than " + std::to_string(kMetricsMax) + " metrics"));
  }
  for (const auto& [name, value] : evaluation.metrics) {
    CAIRN_CHECK(with_hash(check_plain_name("metric", name, kEvaluationMetricNameBytesMax)));
  }
  if (!evaluation.worker.empty()) {
    CAIRN_CHECK(with_hash(check_plain_name("worker", evaluation.worker, kExperimentNameBytesMax)));
  }
  // Numbers and metrics have their place besides.
  if (evaluation.architecture.size() > kEntryValueBytesMax - 128 * KiB) {
    return with_hash(invalid("the architecture has more than 896 KiB"));
  }
  return {};
}

std::string encode(const Evaluation& evaluation) {
  std::vector<std::byte> out;
  out.reserve(64 + evaluation.architecture.size() + 32 * evaluation.metrics.size());
  ByteWriter writer(out);
  writer.put(kVersion);
  writer.put(std::bit_cast<std::uint64_t>(evaluation.fitness));
  writer.put(evaluation.generation);
  writer.put(std::bit_cast<std::uint64_t>(evaluation.duration_seconds));
  writer.put(static_cast<std::uint64_t>(evaluation.recorded_ns));
  writer.put_string(evaluation.worker);
  writer.put_string(evaluation.architecture);
  writer.put(static_cast<std::uint32_t>(evaluation.metrics.size()));
  for (const auto& [name, value] : evaluation.metrics) {
    writer.put_string(name);
    writer.put(std::bit_cast<std::uint64_t>(value));
  }
  return std::string(as_text(out));
}

Result<Evaluation> decode_evaluation(std::string_view value) {
  FieldReader reader("evaluation", as_bytes(value));
  CAIRN_TRY(const auto version, reader.get<std::uint8_t>("version"));
  if (version > kVersion) return newer_version("evaluation", version, kVersion);
  if (version == 0) return reader.wrong("is 0");
  Evaluation evaluation;
  CAIRN_TRY(const auto fitness, reader.get<std::uint64_t>("fitness"));
  evaluation.fitness = std::bit_cast<double>(fitness);
  CAIRN_TRY(evaluation.generation, reader.get<std::uint64_t>("generation"));
  CAIRN_TRY(const auto duration, reader.get<std::uint64_t>("duration_seconds"));
  evaluation.duration_seconds = std::bit_cast<double>(duration);
  CAIRN_TRY(evaluation.recorded_ns, reader.get_signed("recorded_ns"));
  CAIRN_TRY(evaluation.worker, reader.get_string("worker"));
  CAIRN_TRY(evaluation.architecture, reader.get_string("architecture"));
  CAIRN_TRY(const auto count, reader.get_count("metrics", kMetricBytesMin));
  for (std::uint32_t i = 0; i < count; ++i) {
    CAIRN_TRY(std::string name, reader.get_string("metric.name"));
    const auto& metrics = evaluation.metrics;
    if (name.empty() || (!metrics.empty() && metrics.rbegin()->first >= name)) {
      return reader.wrong("is empty or not behind the one before");
    }
    CAIRN_TRY(const auto bits, reader.get<std::uint64_t>("metric.value"));
    evaluation.metrics.emplace_hint(evaluation.metrics.end(), std::move(name), std::bit_cast<double>(bits));
  }
  CAIRN_CHECK(reader.expect_end());
  return evaluation;
}

std::string evaluation_prefix(ExperimentNumber number) { return key_of(number, kEvaluation).bytes(); }

std::string evaluation_key(ExperimentNumber number, DigestKind digest, std::string_view hash) {
  EntryKey key = key_of(number, kEvaluation);
  if (hash.starts_with(digest_kind_name(digest))) {
    const auto parsed = parse_digest(digest, hash);
    // Only what comes back as the same text.
    if (parsed.ok() && to_text(digest, *parsed) == hash) {
      const Bytes bytes = Bytes(parsed->bytes).first(digest_size(digest));
      return key.rest({&kDigest, 1}).rest(as_text(bytes)).bytes();
    }
  }
  return key.rest({&kText, 1}).rest(hash).bytes();
}

Result<std::string> hash_in_key(DigestKind digest, std::string_view key) {
  const std::size_t begin = evaluation_prefix({}).size();
  if (key.size() > begin && key[begin] == kText) return std::string(key.substr(begin + 1));
  if (key.size() == begin + 1 + digest_size(digest) && key[begin] == kDigest) {
    Digest parsed;
    const Bytes bytes = as_bytes(key.substr(begin + 1));
    std::copy(bytes.begin(), bytes.end(), parsed.bytes.begin());
    return to_text(digest, parsed);
  }
  return make_error(ErrorCode::corruption, "an evaluation's key holds no hash");
}

std::string fitness_prefix(ExperimentNumber number) { return key_of(number, kByFitness).bytes(); }
std::string metric_prefix(ExperimentNumber number, std::string_view metric) {
  return key_of(number, kByMetric).text(metric).bytes();
}
std::string in_generation_prefix(ExperimentNumber number, std::uint64_t generation) {
  return key_of(number, kByGeneration).number(generation).bytes();
}
std::string worker_prefix(ExperimentNumber number, std::string_view worker) {
  return key_of(number, kByWorker).text(worker).bytes();
}

std::vector<std::string> evaluation_index_keys(ExperimentNumber number, const Evaluation& evaluation,
                                               std::uint64_t earlier) {
  EntryKey fitness(EntrySpace::evaluations);
  fitness.real(evaluation.fitness).number(earlier);
  const std::string_view by_fitness = std::string_view(fitness.bytes()).substr(1);
  std::vector<std::string> keys;
  keys.reserve(3 + evaluation.metrics.size());
  keys.push_back(fitness_prefix(number).append(by_fitness));
  keys.push_back(in_generation_prefix(number, evaluation.generation).append(by_fitness));
  if (!evaluation.worker.empty()) keys.push_back(worker_prefix(number, evaluation.worker).append(by_fitness));
  for (const auto& [name, value] : evaluation.metrics) {
    keys.push_back(key_of(number, kByMetric).text(name).real(value).number(earlier).bytes());
  }
  return keys;
}

}  // namespace cairn
