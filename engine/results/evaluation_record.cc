// SPDX-License-Identifier: Apache-2.0
//
// Recording evaluations, each once, and the statistics with them.
#include <algorithm>
#include <utility>

#include "engine/base/errors.h"
#include "engine/format/manifest.h"
#include "engine/results/evaluation_entry.h"
#include "engine/results/experiment_table.h"
#include "engine/results/write_again.h"

namespace cairn {
namespace {

// What is remembered is dropped when it is more.
constexpr std::size_t kLiveMax = 1024, kTalliesMax = 4096;

}  // namespace

struct ExperimentTable::Draft {
  std::vector<RecordedEvaluation> results;
  std::vector<EntryChange> changes;  // empty: nothing is new
  ExperimentProgress progress;
  Tallies tallies;  // of the generations that change
};

Result<ExperimentTable::Live*> ExperimentTable::live(const std::string& name) {
  if (const auto found = live_.find(name); found != live_.end()) return &found->second;
  CAIRN_TRY(const auto record, need_record(name));
  if (record.value.status == ExperimentStatus::removing) {
    return make_error(ErrorCode::not_found, "experiment '" + printable(name) + "' is being removed");
  }
  CAIRN_TRY(const auto progress, find_progress(record.value.number));
  if (live_.size() >= kLiveMax) live_.clear();
  const auto [at, inserted] =
      live_.emplace(name, Live{.number = record.value.number, .progress = progress, .tallies = {}});
  return &at->second;
}

// Unless it is to `look`, it takes all evaluations for new: if they are not, the write is a conflict.
Result<ExperimentTable::Draft> ExperimentTable::draft(Live& live, const std::vector<Evaluation>& evaluations,
                                                      bool look) {
  Draft draft{.results = {}, .changes = {}, .progress = live.progress.value, .tallies = {}};
  draft.results.reserve(evaluations.size());
  draft.changes.reserve(evaluations.size() + 2);
  std::unordered_map<std::string_view, std::size_t> first;
  for (const Evaluation& evaluation : evaluations) {
    const auto [at, is_first] = first.emplace(evaluation.hash, draft.results.size());
    if (!is_first) {
      draft.results.push_back({.inserted = false, .evaluation = draft.results[at->second].evaluation});
      continue;
    }
    if (look) {
      CAIRN_TRY(auto there, find_evaluation(live.number, evaluation.hash));
      if (there) {
        draft.results.push_back({.inserted = false, .evaluation = *std::move(there)});
        continue;
      }
    }
    FitnessTally& tally = draft.progress.tally;
    draft.changes.push_back({.key = evaluation_key(live.number, digest_, evaluation.hash),
                             .value = encode(evaluation),
                             .index_keys = evaluation_index_keys(live.number, evaluation, tally.count),
                             .if_version = 0});
    tally.add(evaluation.fitness);
    auto generation = draft.tallies.find(evaluation.generation);
    if (generation == draft.tallies.end()) {
      auto known = live.tallies.find(evaluation.generation);
      if (known == live.tallies.end()) {
        CAIRN_TRY(const auto found, find_generation(live.number, evaluation.generation));
        known = live.tallies.emplace(evaluation.generation, found).first;
      }
      generation = draft.tallies.emplace(*known).first;
    }
    generation->second.value.add(evaluation.fitness);
    draft.progress.updated_ns = std::max(draft.progress.updated_ns, evaluation.recorded_ns);
    draft.results.push_back({.inserted = true, .evaluation = evaluation});
  }
  if (draft.changes.empty()) return draft;
  draft.progress.heartbeat_store_ns = entries_.store_time_ns();
  draft.changes.push_back(
      {.key = progress_key(live.number), .value = encode(draft.progress), .if_version = live.progress.version});
  for (const auto& [number, tally] : draft.tallies) {
    draft.changes.push_back(
        {.key = generation_key(live.number, number), .value = encode(tally.value), .if_version = tally.version});
  }
  return draft;
}

Result<std::optional<EntryStore::Written>> ExperimentTable::write(const std::string& name, Draft& draft,
                                                                  const PutOptions& options) {
  if (draft.changes.empty()) return std::optional<EntryStore::Written>();
  auto written = entries_.write(std::move(draft.changes), options);
  if (!written.ok()) {
    live_.erase(name);
    return std::move(written).error();
  }
  Live& live = live_.at(name);
  live.progress = {.value = draft.progress, .version = written->version};
  if (live.tallies.size() > kTalliesMax) live.tallies.clear();
  for (const auto& [generation, tally] : draft.tallies) {
    live.tallies[generation] = {.value = tally.value, .version = written->version};
  }
  return std::optional(*std::move(written));
}

Result<RecordedBatch> ExperimentTable::record_many(const std::string& experiment, std::vector<Evaluation> evaluations,
                                                   const PutOptions& options) {
  CAIRN_CHECK(check_plain_name("experiment", experiment, kExperimentNameBytesMax));
  const std::int64_t now = wall_clock_();
  for (Evaluation& evaluation : evaluations) {
    CAIRN_CHECK(complete_evaluation(digest_, evaluation));
    evaluation.recorded_ns = now;
  }
  return record_completed(experiment, evaluations, options);
}

Result<RecordedBatch> ExperimentTable::bring_evaluations(const std::string& experiment,
                                                         std::vector<Evaluation> evaluations) {
  CAIRN_CHECK(check_plain_name("experiment", experiment, kExperimentNameBytesMax));
  for (Evaluation& evaluation : evaluations) CAIRN_CHECK(complete_evaluation(digest_, evaluation));
  return record_completed(experiment, evaluations, {});
}

Result<RecordedBatch> ExperimentTable::record_completed(const std::string& experiment,
                                                        const std::vector<Evaluation>& evaluations,
                                                        const PutOptions& options) {
  bool look = false;
  const auto attempt = [&]() -> Result<RecordedBatch> {
    const std::lock_guard lock(mutex_);
    CAIRN_TRY(Live* const known, live(experiment));
    CAIRN_TRY(Draft drafted, draft(*known, evaluations, std::exchange(look, true)));
    CAIRN_TRY(auto written, write(experiment, drafted, options));
    RecordedBatch batch{.evaluations = std::move(drafted.results), .ticket = {}};
    if (written) batch.ticket = std::move(written->ticket);
    return batch;
  };
  return write_again(attempt);
}

Status ExperimentTable::touch(const std::string& name) {
  const auto attempt = [&]() -> Status {
    const std::lock_guard lock(mutex_);
    CAIRN_TRY(Live* const known, live(name));
    Draft drafted{.results = {}, .changes = {}, .progress = known->progress.value, .tallies = {}};
    drafted.progress.heartbeat_store_ns = entries_.store_time_ns();
    drafted.changes.push_back(
        {.key = progress_key(known->number), .value = encode(drafted.progress), .if_version = known->progress.version});
    CAIRN_CHECK(write(name, drafted, {.durability = Durability::lazy}));
    return {};
  };
  return write_again(attempt);
}

}  // namespace cairn
