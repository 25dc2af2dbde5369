// SPDX-License-Identifier: Apache-2.0
//
// Evaluations by hash and by numbers, and their statistics: one look, or a walk over as many
// index keys as there are answers.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "engine/base/errors.h"
#include "engine/results/entry_key.h"
#include "engine/results/evaluation_entry.h"
#include "engine/results/experiment_table.h"

namespace cairn {
namespace {

// What an index key ends in: the number, and what makes it unique.
constexpr std::size_t kPlaceBytes = 16;

std::string place_of(double value, std::uint64_t earlier) {
  return EntryKey(EntrySpace::evaluations).real(value).number(earlier).bytes().substr(1);
}

std::string to_cursor(std::string_view place) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string cursor;
  for (const char c : place) {
    cursor += kHex[static_cast<unsigned char>(c) >> 4];
    cursor += kHex[static_cast<unsigned char>(c) & 15];
  }
  return cursor;
}

Result<std::string> from_cursor(std::string_view cursor) {
  std::string place;
  for (std::size_t i = 0; i + 2 <= cursor.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(cursor.data() + i, cursor.data() + i + 2, byte, 16);
    if (error != std::errc() || end != cursor.data() + i + 2) break;
    place += static_cast<char>(byte);
  }
  if (cursor.size() == 2 * kPlaceBytes && place.size() == kPlaceBytes) return place;
  return make_error(ErrorCode::invalid_argument, "a cursor is that of an earlier page");
}

Result<std::string> prefix_of(ExperimentNumber number, const EvaluationQuery& query) {
  const int filters = (query.metric.empty() ? 0 : 1) + (query.generation ? 1 : 0) + (query.worker ? 1 : 0);
  if (filters > 1) {
    return make_error(ErrorCode::invalid_argument,
                      "evaluations of one generation or one worker are found by fitness only, and not of both");
  }
  if (query.generation) return in_generation_prefix(number, *query.generation);
  if (query.worker) {
    CAIRN_CHECK(check_plain_name("worker", *query.worker, kExperimentNameBytesMax));
    return worker_prefix(number, *query.worker);
  }
  if (query.metric.empty()) return fitness_prefix(number);
  CAIRN_CHECK(check_plain_name("metric", query.metric, kEvaluationMetricNameBytesMax));
  return metric_prefix(number, query.metric);
}

}  // namespace

Result<std::optional<Evaluation>> ExperimentTable::find_evaluation(ExperimentNumber number, const std::string& hash) {
  CAIRN_TRY(const auto entry, entries_.find(evaluation_key(number, digest_, hash)));
  if (!entry) return std::optional<Evaluation>();
  auto evaluation = decode_evaluation(entry->value);
  if (!evaluation.ok()) return std::move(evaluation).error().with_context(hash);
  evaluation->hash = hash;
  return std::optional(*std::move(evaluation));
}

Result<std::optional<Evaluation>> ExperimentTable::evaluation(const std::string& experiment, const std::string& hash) {
  CAIRN_CHECK(check_plain_name("the hash of an architecture", hash, kHashBytesMax));
  CAIRN_TRY(const auto record, need_record(experiment));
  return find_evaluation(record.value.number, hash);
}

Result<EvaluationPage> ExperimentTable::evaluations(const std::string& experiment, const EvaluationQuery& query) {
  if (query.limit == 0) return make_error(ErrorCode::invalid_argument, "a page has at least one evaluation");
  CAIRN_TRY(const auto record, need_record(experiment));
  CAIRN_TRY(const std::string prefix, prefix_of(record.value.number, query));
  std::string after;  // the index key of the last one of the page before
  if (!query.cursor.empty()) {
    CAIRN_TRY(const std::string place, from_cursor(query.cursor));
    after = prefix + place;
  }
  struct Found {
    std::string index_key, key;
  };
  std::vector<Found> found;
  const auto take = [&](std::string_view index_key, std::string_view key) -> Result<bool> {
    if (index_key != after) found.push_back({std::string(index_key), std::string(key)});
    return found.size() <= query.limit;
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max();
  if (query.best == Best::lowest) {
    CAIRN_CHECK(entries_.scan_index(prefix, EntryStore::Order::ascending, after, take));
  } else {
    // What is not a number lies behind all numbers, and comes after them here too.
    const std::string none = prefix + place_of(std::nan(""), 0).substr(0, kPlaceBytes / 2);
    if (!after.starts_with(none)) {
      const std::string from = after.empty() ? prefix + place_of(kInfinity, kLast) : after;
      CAIRN_CHECK(entries_.scan_index(prefix, EntryStore::Order::descending, from, take));
    }
    if (found.size() <= query.limit) {
      const std::string from = after.starts_with(none) ? after : "";
      CAIRN_CHECK(entries_.scan_index(none, EntryStore::Order::descending, from, take));
    }
  }
  EvaluationPage page;
  if (found.size() > query.limit) {
    found.pop_back();
    page.next = to_cursor(std::string_view(found.back().index_key).substr(prefix.size()));
  }
  for (const Found& one : found) {
    CAIRN_TRY(const std::string hash, hash_in_key(digest_, one.key));
    CAIRN_TRY(auto evaluation, find_evaluation(record.value.number, hash));
    // A removal may have begun meanwhile.
    if (evaluation) page.evaluations.push_back(*std::move(evaluation));
  }
  return page;
}

Result<ExperimentTable::Versioned<FitnessTally>> ExperimentTable::find_generation(ExperimentNumber number,
                                                                                  std::uint64_t generation) {
  CAIRN_TRY(const auto entry, entries_.find(generation_key(number, generation)));
  if (!entry) return Versioned<FitnessTally>();
  CAIRN_TRY(const FitnessTally tally, decode_generation(entry->value));
  return Versioned<FitnessTally>{.value = tally, .version = entry->version};
}

Result<EvaluationStatistics> ExperimentTable::statistics(const std::string& experiment,
                                                         std::optional<std::uint64_t> generation) {
  CAIRN_TRY(const auto record, need_record(experiment));
  if (generation) {
    CAIRN_TRY(const auto tally, find_generation(record.value.number, *generation));
    return tally.value.statistics();
  }
  CAIRN_TRY(const auto progress, find_progress(record.value.number));
  return progress.value.tally.statistics();
}

Result<std::vector<GenerationStatistics>> ExperimentTable::generations(const std::string& experiment,
                                                                       std::uint64_t from, std::size_t limit) {
  if (limit == 0) return make_error(ErrorCode::invalid_argument, "a page has at least one generation");
  CAIRN_TRY(const auto record, need_record(experiment));
  const ExperimentNumber number = record.value.number;
  const std::string prefix = generation_prefix(number);
  std::vector<GenerationStatistics> found;
  const auto take = [&](std::string_view key, const Entry& entry) -> Result<bool> {
    const std::string place = "v" + std::string(key.substr(prefix.size()));
    const auto generation = EntryKeyReader(place).number();
    if (!generation) return make_error(ErrorCode::corruption, "a key of statistics holds no generation");
    CAIRN_TRY(const FitnessTally tally, decode_generation(entry.value));
    found.push_back({.generation = *generation, .statistics = tally.statistics()});
    return found.size() < limit;
  };
  CAIRN_CHECK(entries_.scan(prefix, EntryStore::Order::ascending, generation_key(number, from), take));
  return found;
}

}  // namespace cairn
