// SPDX-License-Identifier: Apache-2.0
//
// Keys and values of the entries that an experiment has (docs/format/entries.md, Experiments).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/experiments.h"
#include "engine/results/fitness_tally.h"

namespace cairn {

// What an experiment is called inside: short, and never given to another one, so that what
// a removed one has left is nobody else's.
enum class ExperimentNumber : std::uint64_t {};

// What changes seldom, under the experiment's name.
struct ExperimentRecord {
  ExperimentNumber number{};
  ExperimentStatus status = ExperimentStatus::running;
  std::int64_t created_ns = 0, updated_ns = 0;
  std::optional<std::int64_t> completed_ns;
  std::string optimizer, config, search_space;
  friend bool operator==(const ExperimentRecord&, const ExperimentRecord&) = default;
};

// What changes with every evaluation.
struct ExperimentProgress {
  std::int64_t updated_ns = 0;
  std::uint64_t heartbeat_store_ns = 0;
  FitnessTally tally;
  friend bool operator==(const ExperimentProgress&, const ExperimentProgress&) = default;
};

std::string encode(const ExperimentRecord& record);
std::string encode(const ExperimentProgress& progress);
std::string encode(const FitnessTally& tally);
std::string encode(ExperimentNumber next);
Result<ExperimentRecord> decode_experiment(std::string_view value);
Result<ExperimentProgress> decode_progress(std::string_view value);
Result<FitnessTally> decode_generation(std::string_view value);
Result<ExperimentNumber> decode_next_number(std::string_view value);

// Under which the number is that the next experiment has.
std::string next_number_key();
std::string experiment_key(std::string_view name);
std::string experiment_status_key(ExperimentStatus status, std::string_view name);  // of the index
// Every entry of an experiment but the one under its name starts with this.
std::string experiment_prefix(ExperimentNumber number);
std::string progress_key(ExperimentNumber number);
std::string generation_prefix(ExperimentNumber number);
std::string generation_key(ExperimentNumber number, std::uint64_t generation);

}  // namespace cairn
