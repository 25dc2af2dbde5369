// SPDX-License-Identifier: Apache-2.0
//
// Experiments: the calls, and waiting until what they have written is durable.
#include "cairn/experiments.h"

#include <utility>

#include "api/src/store_impl.h"
#include "engine/results/experiment_table.h"

namespace cairn {

Result<CreatedExperiment> Experiments::create(const NewExperiment& experiment) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  CAIRN_TRY(auto created, table->create(experiment));
  if (created.ticket) CAIRN_CHECK(created.ticket->committed().wait());
  return std::move(created.experiment);
}

Status Experiments::set_status(const std::string& name, ExperimentStatus status) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  CAIRN_TRY(const Ticket ticket, table->set_status(name, status));
  return ticket.committed().wait();
}

Status Experiments::touch(const std::string& name) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  return table->touch(name);
}

Result<std::vector<Experiment>> Experiments::stale(std::chrono::nanoseconds silence) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  return table->stale(silence);
}

Result<std::optional<Experiment>> Experiments::find(const std::string& name) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  return table->find(name);
}

Result<ExperimentPage> Experiments::list(const std::string& cursor, std::size_t limit,
                                         std::optional<ExperimentStatus> status) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  return table->list(cursor, limit, status);
}

Result<RecordedBatch> Experiments::record_many(const std::string& experiment, std::vector<Evaluation> evaluations,
                                               const PutOptions& options) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  return table->record_many(experiment, std::move(evaluations), options);
}

Result<RecordedBatch> Experiments::record(const std::string& experiment, Evaluation evaluation,
                                          const PutOptions& options) {
  std::vector<Evaluation> one;
  one.push_back(std::move(evaluation));
  return record_many(experiment, std::move(one), options);
}

Result<std::optional<Evaluation>> Experiments::evaluation(const std::string& experiment, const std::string& hash) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  return table->evaluation(experiment, hash);
}

Result<EvaluationPage> Experiments::evaluations(const std::string& experiment, const EvaluationQuery& query) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  return table->evaluations(experiment, query);
}

Result<EvaluationStatistics> Experiments::statistics(const std::string& experiment,
                                                     std::optional<std::uint64_t> generation) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  return table->statistics(experiment, generation);
}

Result<std::vector<GenerationStatistics>> Experiments::generations(const std::string& experiment, std::uint64_t from,
                                                                   std::size_t limit) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  return table->generations(experiment, from, limit);
}

Result<std::uint64_t> Experiments::remove(const std::string& name) {
  CAIRN_TRY(ExperimentTable* const table, store_->experiments());
  CAIRN_TRY(const auto removed, table->remove(name));
  CAIRN_CHECK(removed.ticket.committed().wait());
  return removed.evaluations;
}

}  // namespace cairn
