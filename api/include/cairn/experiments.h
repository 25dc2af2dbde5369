// SPDX-License-Identifier: Apache-2.0
//
// Experiments and their evaluations: what a search has tried, and how well it did.
//
// An evaluation belongs to one experiment and one architecture, and is recorded once: a second
// one with the same architecture gives the first again. Queries and statistics look at keys
// and sums that are kept with every evaluation, and never at all evaluations.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/objects.h"
#include "cairn/result.h"
#include "cairn/retention.h"
#include "cairn/ticket.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

enum class ExperimentStatus : std::uint8_t {
  running = 1,
  completed = 2,
  failed = 3,
  removing = 4,  // a removal has begun; if it was cut off, remove() again ends it
};

std::string_view experiment_status_name(ExperimentStatus status) noexcept;  // "running", …

struct NewExperiment {
  std::string name;         // at most 512 bytes, without control characters
  std::string config = {};  // JSON, kept as it is; empty: none
  std::string search_space = {};
  std::string optimizer = {};  // any text. All three have at most 1,000,000 bytes together.
};

// Times named *_ns are those of the machine's clock since the Unix epoch, for people to read.
struct Experiment {
  std::string name, config, search_space, optimizer;
  ExperimentStatus status = ExperimentStatus::running;
  std::int64_t created_ns = 0;
  std::int64_t updated_ns = 0;               // when its status was set or an evaluation recorded
  std::optional<std::int64_t> completed_ns;  // when its status was set to completed or failed
  std::uint64_t evaluations = 0;
  std::optional<double> best_fitness;  // the highest; nothing: no fitness was a number
  // Of the last sign of life: an evaluation, a status, touch(). On the store's own clock,
  // which nobody can set.
  std::uint64_t heartbeat_store_ns = 0;
};

struct CreatedExperiment {
  Experiment experiment;
  bool created = false;  // false: it was there; what was given is not compared with it
};

struct ExperimentPage {
  std::vector<Experiment> experiments;  // by name
  std::string next;                     // the cursor for the page behind; empty: this was the last
};

struct Evaluation {
  // JSON, and what it is known by. Without a hash, that is the digest of the canonical form
  // (RFC 8785) in its text form, and the canonical form is kept. With one, at most 256 bytes
  // without control characters, the JSON is kept as it is, or may be empty.
  std::string architecture = {};
  std::string hash = {};
  double fitness = std::numeric_limits<double>::quiet_NaN();  // may stay no number
  // At most 256, with names of at most 256 bytes. Each costs an index key.
  std::map<std::string, double> metrics = {};
  std::uint64_t generation = 0;
  std::string worker = {};  // at most 512 bytes; empty: not said
  double duration_seconds = 0;
  std::int64_t recorded_ns = 0;  // set by record()
};

struct RecordedEvaluation {
  bool inserted = false;  // false: `evaluation` was there before
  Evaluation evaluation;  // as it is stored
};

struct RecordedBatch {
  std::vector<RecordedEvaluation> evaluations;  // in the order given
  std::optional<Ticket> ticket;                 // nothing: nothing was written
};

// Evaluations by a number. What is not a number comes last in either order. Of equal ones, the
// one that was recorded later is the higher.
struct EvaluationQuery {
  Best best = Best::highest;  // which come first
  std::string metric = {};    // empty: fitness
  // Only those; one of the two at most, and then by fitness.
  std::optional<std::uint64_t> generation = {};
  std::optional<std::string> worker = {};
  std::size_t limit = 10;
  std::string cursor = {};  // of an earlier page of the same query
};

struct EvaluationPage {
  std::vector<Evaluation> evaluations;
  std::string next;  // the cursor for the page behind; empty: this was the last
};

// Of fitness. Numbers that do not exist, as the mean of nothing, are no numbers.
struct EvaluationStatistics {
  std::uint64_t count = 0;                                 // of all evaluations
  std::uint64_t not_a_number = 0;                          // among them
  std::uint64_t infinite = 0;                              // among them
  double best = std::numeric_limits<double>::quiet_NaN();  // max
  double min = std::numeric_limits<double>::quiet_NaN();   // infinities included
  double max = std::numeric_limits<double>::quiet_NaN();
  double mean = std::numeric_limits<double>::quiet_NaN();      // of finite ones
  double variance = std::numeric_limits<double>::quiet_NaN();  // of finite ones, divided by their number
};

struct GenerationStatistics {
  std::uint64_t generation = 0;
  EvaluationStatistics statistics;
};

class StoreImpl;

// Borrows its Store; any number of threads. What a call of this process has written, later
// calls see, before it is durable too. ErrorCode::not_found when there is no such experiment.
class Experiments {
 public:
  // Durable once these two return.
  Result<CreatedExperiment> create(const NewExperiment& experiment);
  Status set_status(const std::string& name, ExperimentStatus status);

  // A sign of life.
  Status touch(const std::string& name);
  // Running, and without one for so long of the store's time.
  Result<std::vector<Experiment>> stale(std::chrono::nanoseconds silence);

  Result<std::optional<Experiment>> find(const std::string& name);
  Result<ExperimentPage> list(const std::string& cursor = {}, std::size_t limit = 1000,
                              std::optional<ExperimentStatus> status = {});

  // All of them in one write, with the statistics: seen together, and after a crash there
  // together or not at all.
  Result<RecordedBatch> record_many(const std::string& experiment, std::vector<Evaluation> evaluations,
                                    const PutOptions& options = {});
  Result<RecordedBatch> record(const std::string& experiment, Evaluation evaluation, const PutOptions& options = {});

  Result<std::optional<Evaluation>> evaluation(const std::string& experiment, const std::string& hash);
  // Waits until what was recorded before is committed.
  Result<EvaluationPage> evaluations(const std::string& experiment, const EvaluationQuery& query = {});
  Result<EvaluationStatistics> statistics(const std::string& experiment, std::optional<std::uint64_t> generation = {});
  // By generation, beginning with the first that is not below `from`; those without evaluations
  // are left out.
  Result<std::vector<GenerationStatistics>> generations(const std::string& experiment, std::uint64_t from = 0,
                                                        std::size_t limit = 1000);

  // With all evaluations, whose number is returned; durable. Done in parts: a crash leaves the
  // rest as ExperimentStatus::removing, and calling again goes on.
  Result<std::uint64_t> remove(const std::string& name);

 private:
  friend class Store;
  explicit Experiments(StoreImpl& store) : store_(&store) {}
  StoreImpl* store_;
};

}  // namespace cairn
#pragma GCC visibility pop
