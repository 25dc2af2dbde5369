// SPDX-License-Identifier: Apache-2.0
//
// Experiments and evaluations (cairn/experiments.h) as entries: what is asked for often is
// under a key of its own, and statistics are written with what they are of.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cairn/experiments.h"
#include "engine/results/entry_store.h"
#include "engine/results/experiment_entry.h"

namespace cairn {

std::int64_t wall_clock_ns();

// One for each store that is open. Any number of threads. Calls are those of Experiments, but
// that they do not wait until what they have written is durable: that is up to the caller.
//
// Whoever writes has the turn of mutex_ and remembers in live_ what it has written last. All
// writes rely on the versions that are remembered: should they ever be wrong, the write is a
// conflict, what was remembered is dropped, and the next attempt looks.
class ExperimentTable {
 public:
  using WallClock = std::function<std::int64_t()>;

  struct Created {
    CreatedExperiment experiment;
    std::optional<Ticket> ticket;  // nothing: it was there
  };
  struct Removed {
    std::uint64_t evaluations = 0;
    Ticket ticket;
  };

  // Borrows `entries`.
  ExperimentTable(EntryStore& entries, DigestKind digest, WallClock wall_clock = wall_clock_ns)
      : entries_(entries), digest_(digest), wall_clock_(std::move(wall_clock)) {}

  Result<Created> create(const NewExperiment& experiment);
  // What another store says of an experiment: it is made as it is there, but for the number; or, where it was made of
  // the same texts, has the status that was set last. conflict: it was made of others, or is being removed here.
  // Nothing: it is as it was. `from` is hostile.
  Result<std::optional<Ticket>> bring(const std::string& name, const ExperimentRecord& from);
  Result<Ticket> set_status(const std::string& name, ExperimentStatus status);
  Status touch(const std::string& name);
  Result<std::vector<Experiment>> stale(std::chrono::nanoseconds silence);
  Result<std::optional<Experiment>> find(const std::string& name);
  Result<ExperimentPage> list(const std::string& cursor, std::size_t limit, std::optional<ExperimentStatus> status);

  Result<RecordedBatch> record_many(const std::string& experiment, std::vector<Evaluation> evaluations,
                                    const PutOptions& options = {});
  // The same of evaluations that another store has recorded: they keep their times.
  Result<RecordedBatch> bring_evaluations(const std::string& experiment, std::vector<Evaluation> evaluations);
  Result<std::optional<Evaluation>> evaluation(const std::string& experiment, const std::string& hash);
  Result<EvaluationPage> evaluations(const std::string& experiment, const EvaluationQuery& query);
  Result<EvaluationStatistics> statistics(const std::string& experiment, std::optional<std::uint64_t> generation);
  Result<std::vector<GenerationStatistics>> generations(const std::string& experiment, std::uint64_t from,
                                                        std::size_t limit);
  Result<Removed> remove(const std::string& name);

 private:
  template <class T>
  struct Versioned {
    T value{};
    std::uint64_t version = 0;  // 0: there is no such entry
  };
  using Tallies = std::map<std::uint64_t, Versioned<FitnessTally>>;  // by generation
  struct Live {
    ExperimentNumber number{};
    Versioned<ExperimentProgress> progress;
    Tallies tallies;  // of some generations
  };
  // Evaluations that are to be written, and what to write with them.
  struct Draft;

  Result<std::optional<Versioned<ExperimentRecord>>> find_record(const std::string& name);
  Result<Versioned<ExperimentRecord>> need_record(const std::string& name);
  Result<Versioned<ExperimentProgress>> find_progress(ExperimentNumber number);
  Result<Versioned<FitnessTally>> find_generation(ExperimentNumber number, std::uint64_t generation);
  Result<Experiment> describe(const std::string& name, const ExperimentRecord& record);
  Result<std::optional<Evaluation>> find_evaluation(ExperimentNumber number, const std::string& hash);

  // With mutex_ locked. Nothing is kept of what failed: the outcome is unknown.
  Result<EntryStore::Written> try_create(const std::string& name, ExperimentRecord record);
  Result<EntryStore::Written> try_set_status(const std::string& name, ExperimentStatus status);
  Result<Live*> live(const std::string& name);
  Result<RecordedBatch> record_completed(const std::string& experiment, const std::vector<Evaluation>& evaluations,
                                         const PutOptions& options);
  Result<Draft> draft(Live& live, const std::vector<Evaluation>& evaluations, bool look);
  Result<std::optional<EntryStore::Written>> write(const std::string& name, Draft& draft, const PutOptions& options);

  // Removes up to so many entries behind `from`; true when there may be more.
  Result<bool> remove_some(ExperimentNumber number, std::string& from, std::uint64_t& evaluations);

  EntryStore& entries_;
  const DigestKind digest_;
  const WallClock wall_clock_;
  std::mutex removal_;  // before mutex_; one removal at a time
  std::mutex mutex_;
  std::unordered_map<std::string, Live> live_;  // guarded by mutex_
};

}  // namespace cairn
