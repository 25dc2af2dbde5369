// SPDX-License-Identifier: Apache-2.0
//
// Keys, index keys and values of evaluations (docs/format/entries.md, Evaluations).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/digest.h"
#include "cairn/experiments.h"
#include "engine/results/experiment_entry.h"

namespace cairn {

inline constexpr std::size_t kExperimentNameBytesMax = 512;
inline constexpr std::size_t kHashBytesMax = 256;
inline constexpr std::size_t kMetricsMax = 256;
inline constexpr std::size_t kEvaluationMetricNameBytesMax = 256;

// ErrorCode::invalid_argument unless `text` has 1 to `bytes_max` bytes and no control characters.
Status check_plain_name(std::string_view what, std::string_view text, std::size_t bytes_max);

// Gives it a hash if it has none, and refuses what cannot be stored.
Status complete_evaluation(DigestKind digest, Evaluation& evaluation);

// Without the hash, which is in the key.
std::string encode(const Evaluation& evaluation);
Result<Evaluation> decode_evaluation(std::string_view value);

// A digest in its text form takes as many bytes as it has.
std::string evaluation_key(ExperimentNumber number, DigestKind digest, std::string_view hash);
// Every key of an evaluation of the experiment starts with this.
std::string evaluation_prefix(ExperimentNumber number);
Result<std::string> hash_in_key(DigestKind digest, std::string_view key);

// The index keys of an evaluation are one of these, and behind it a number and how many
// evaluations the experiment had before: they are unique.
std::string fitness_prefix(ExperimentNumber number);
std::string metric_prefix(ExperimentNumber number, std::string_view metric);
std::string in_generation_prefix(ExperimentNumber number, std::uint64_t generation);
std::string worker_prefix(ExperimentNumber number, std::string_view worker);
std::vector<std::string> evaluation_index_keys(ExperimentNumber number, const Evaluation& evaluation,
                                               std::uint64_t earlier);

}  // namespace cairn
