// SPDX-License-Identifier: Apache-2.0
//
// cairn experiments: what a search has tried, and what was best; evaluations put, exported and imported as lines.
#include <fmt/format.h>

#include <map>
#include <memory>

#include "api/cli/answers.h"
#include "api/cli/evaluation_line.h"
#include "api/cli/input_file.h"
#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string action, name;
  std::string metric, worker, file = "-";
  std::optional<std::size_t> limit, generation;
  bool lowest = false;
};

std::string number_text(double value) { return fmt::format("{:.6g}", value); }

Result<int> list(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  Experiments experiments = store.experiments();
  Listing rows(
      {{"NAME"}, {"STATUS"}, {"EVALUATIONS", Table::Align::right}, {"BEST", Table::Align::right}, {"UPDATED"}});
  const auto fetch = [&](const std::string& cursor, std::size_t count) { return experiments.list(cursor, count); };
  const auto visit = [&](const Experiment& one) -> Status {
    rows.add(to_json(one), {session.out().name(one.name), std::string(experiment_status_name(one.status)),
                            count_text(one.evaluations), one.best_fitness ? number_text(*one.best_fitness) : "-",
                            local_time_text(one.updated_ns)});
    return {};
  };
  CAIRN_CHECK(walk_pages(session, options.limit, &ExperimentPage::experiments, fetch, visit));
  rows.print(session.out());
  return kExitDone;
}

Result<int> top(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  EvaluationQuery query{.best = options.lowest ? Best::lowest : Best::highest,
                        .metric = options.metric,
                        .limit = options.limit.value_or(10)};
  if (options.generation) query.generation = *options.generation;
  if (!options.worker.empty()) query.worker = options.worker;
  CAIRN_TRY(const EvaluationPage page, store.experiments().evaluations(options.name, query));
  Listing rows(
      {{"FITNESS", Table::Align::right}, {"GENERATION", Table::Align::right}, {"HASH"}, {"ARCHITECTURE"}, {"METRICS"}});
  for (const Evaluation& one : page.evaluations) {
    std::string metrics;
    for (const auto& [name, value] : one.metrics) metrics += name + "=" + number_text(value) + " ";
    rows.add(to_json(one),
             {number_text(one.fitness), count_text(one.generation), session.out().name(one.hash.substr(0, 19)),
              session.out().name(one.architecture.substr(0, 60)), session.out().name(metrics)});
  }
  rows.print(session.out());
  return kExitDone;
}

Result<int> stats(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  Experiments experiments = store.experiments();
  CAIRN_TRY(const auto all, experiments.statistics(options.name, options.generation));
  print_fields(session.out(), to_json(all));
  return kExitDone;
}

Result<int> remove(Session& session, const Options& options) {
  CAIRN_CHECK(session.confirm("remove the experiment " + options.name + " and all its evaluations"));
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  CAIRN_TRY(const std::uint64_t removed, store.experiments().remove(options.name));
  CAIRN_CHECK(store.close());
  print_removed(session, removed, "evaluation", "evaluations");
  return kExitDone;
}

// By fitness, the highest first: the order of an index, so that memory is bounded.
Result<int> export_to(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  Experiments experiments = store.experiments();
  const auto fetch = [&](const std::string& cursor, std::size_t count) {
    return experiments.evaluations(options.name, {.limit = count, .cursor = cursor});
  };
  const auto visit = [&](const Evaluation& one) -> Status {
    session.out().text(line_of(one));
    return {};
  };
  CAIRN_CHECK(walk_pages(session, options.limit, &EvaluationPage::evaluations, fetch, visit));
  return kExitDone;
}

Result<int> put(Session& session, const Options& options) {
  InputFile in([&] { return session.check_stop(); });
  CAIRN_CHECK(in.open(options.file));
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  Experiments experiments = store.experiments();
  std::uint64_t inserted = 0, known = 0;
  const auto write = [&](std::vector<Evaluation> batch) -> Status {
    CAIRN_TRY(const auto created, experiments.create({.name = options.name}));
    static_cast<void>(created);
    CAIRN_TRY(const RecordedBatch recorded, experiments.record_many(options.name, std::move(batch)));
    if (recorded.ticket) CAIRN_CHECK(recorded.ticket->committed().wait());
    for (const RecordedEvaluation& one : recorded.evaluations) ++(one.inserted ? inserted : known);
    return {};
  };
  if (Status status = read_evaluation_lines(in, write); !status.ok()) {
    Error error = std::move(status).error();
    if (inserted + known > 0) {
      error.message += fmt::format(" ({} before it were recorded)", count_text(inserted + known, "line", "lines"));
    }
    return error;
  }
  CAIRN_CHECK(store.close());
  session.summary(Json{{"inserted", inserted}, {"known", known}});
  if (!session.out().json()) {
    session.out().report(fmt::format("Recorded {}; {} there before\n",
                                     count_text(inserted, "evaluation", "evaluations"), count_text(known)));
  }
  return kExitDone;
}

Result<int> run_experiments(Session& session, const Options& options) {
  if (options.action == "list") return list(session, options);
  using Action = Result<int> (*)(Session&, const Options&);
  const std::map<std::string, Action> actions = {
      {"top", top}, {"stats", stats}, {"put", put}, {"export", export_to}, {"rm", remove}};
  const auto action = actions.find(options.action);
  if (action == actions.end()) {
    return wrong_usage("experiments knows list, top, stats, put, export and rm, not '" + printable(options.action) +
                       "'");
  }
  if (options.name.empty()) return wrong_usage(options.action + " needs an EXPERIMENT");
  return action->second(session, options);
}

Run declare_experiments(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("list|top|stats|put|export|rm", given->action, "What to do");
  options.argument("EXPERIMENT", given->name, "Which experiment", Need::optional);
  options.option("--metric", "NAME", given->metric, "top: by this instead of fitness");
  options.option("--generation", "N", given->generation, "top, stats: of this generation");
  options.option("--worker", "NAME", given->worker, "top: of this worker");
  options.option("--limit", "N", given->limit, "list, top, export: at most so many; top: 10 without it");
  options.option("--file", "FILE", given->file, "put: evaluations as lines of JSON; '-' is standard input");
  options.flag("--lowest", given->lowest, "top: the lowest first");
  return [given](Session& session) { return run_experiments(session, *given); };
}

}  // namespace

constinit const Verb kExperiments{.name = "experiments",
                                  .summary = "List experiments and the best of their evaluations; put and export them",
                                  .examples =
                                      "  cairn experiments list\n"
                                      "  cairn experiments top cifar-search --limit 5\n"
                                      "  cairn experiments top cifar-search --metric latency_ms --lowest\n"
                                      "  cairn --json experiments stats cifar-search --generation 3\n"
                                      "  echo '{\"architecture\": {\"width\": 8}, \"fitness\": 0.9}' | \\\n"
                                      "    cairn experiments put cifar-search\n"
                                      "  cairn experiments export cifar-search > cifar-search.jsonl\n",
                                  .lines = false,
                                  .declare = declare_experiments};

}  // namespace cairn::cli
