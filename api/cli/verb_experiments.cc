// SPDX-License-Identifier: Apache-2.0
//
// cairn experiments: what a search has tried, and what was best.
#include <fmt/format.h>

#include <memory>

#include "api/cli/json_fields.h"
#include "api/cli/verb.h"

namespace cairn::cli {
namespace {

struct Options {
  std::string action, name;
  std::string metric, worker;
  std::optional<std::size_t> limit, generation;
  bool lowest = false;
};

Error wrong_usage(const std::string& why) { return Error{.code = ErrorCode::invalid_argument, .message = why}; }

std::string number_text(double value) { return fmt::format("{:.6g}", value); }

Result<int> list(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  Experiments experiments = store.experiments();
  Json rows = Json::array();
  Table table({{"NAME"}, {"STATUS"}, {"EVALUATIONS", Table::Align::right}, {"BEST", Table::Align::right}, {"UPDATED"}});
  ExperimentPage page;
  std::size_t left = options.limit.value_or(SIZE_MAX);
  do {
    CAIRN_TRY(page, experiments.list(page.next, std::min<std::size_t>(left, 1000)));
    left -= page.experiments.size();
    for (const Experiment& one : page.experiments) {
      rows.push_back(to_json(one));
      table.add({session.out().name(one.name), std::string(experiment_status_name(one.status)),
                 count_text(one.evaluations), one.best_fitness ? number_text(*one.best_fitness) : "-",
                 local_time_text(one.updated_ns)});
    }
    CAIRN_CHECK(session.check_stop());
  } while (!page.next.empty() && left > 0);
  if (session.out().json()) {
    session.out().document(std::move(rows));
  } else {
    session.out().table(table);
  }
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
  Json rows = Json::array();
  Table table(
      {{"FITNESS", Table::Align::right}, {"GENERATION", Table::Align::right}, {"HASH"}, {"ARCHITECTURE"}, {"METRICS"}});
  for (const Evaluation& one : page.evaluations) {
    rows.push_back(to_json(one));
    std::string metrics;
    for (const auto& [name, value] : one.metrics) metrics += name + "=" + number_text(value) + " ";
    table.add({number_text(one.fitness), count_text(one.generation), session.out().name(one.hash.substr(0, 19)),
               session.out().name(one.architecture.substr(0, 60)), session.out().name(metrics)});
  }
  if (session.out().json()) {
    session.out().document(std::move(rows));
  } else {
    session.out().table(table);
  }
  return kExitDone;
}

Result<int> stats(Session& session, const Options& options) {
  CAIRN_TRY(Store store, session.open_store(Access::read_only));
  Experiments experiments = store.experiments();
  CAIRN_TRY(const auto all, experiments.statistics(options.name, options.generation));
  Json fields = to_json(all);
  if (session.out().json()) {
    session.out().document(std::move(fields));
    return kExitDone;
  }
  Table table({{""}, {"", Table::Align::right}});
  for (const auto& [name, value] : fields.items()) {
    table.add({name, value.is_number_float() ? number_text(value.get<double>()) : value.dump()});
  }
  session.out().table(table);
  return kExitDone;
}

Result<int> remove(Session& session, const Options& options) {
  CAIRN_CHECK(session.confirm("remove the experiment " + options.name + " and all its evaluations"));
  CAIRN_TRY(Store store, session.open_store(Access::read_write));
  CAIRN_TRY(const std::uint64_t removed, store.experiments().remove(options.name));
  CAIRN_CHECK(store.close());
  if (session.out().json()) {
    session.summary(Json{{"removed", removed}});
  } else {
    session.out().report("Removed " + count_text(removed, "evaluation", "evaluations") + "\n");
  }
  return kExitDone;
}

Result<int> run_experiments(Session& session, const Options& options) {
  if (options.action == "list") return list(session, options);
  const bool known = options.action == "top" || options.action == "stats" || options.action == "rm";
  if (!known) return wrong_usage("experiments knows list, top, stats and rm, not '" + printable(options.action) + "'");
  if (options.name.empty()) return wrong_usage(options.action + " needs an EXPERIMENT");
  if (options.action == "top") return top(session, options);
  return options.action == "stats" ? stats(session, options) : remove(session, options);
}

Run declare_experiments(VerbOptions& options) {
  const auto given = std::make_shared<Options>();
  options.argument("list|top|stats|rm", given->action, "What to do");
  options.argument("EXPERIMENT", given->name, "Which experiment", Need::optional);
  options.option("--metric", "NAME", given->metric, "top: by this instead of fitness");
  options.option("--generation", "N", given->generation, "top, stats: of this generation");
  options.option("--worker", "NAME", given->worker, "top: of this worker");
  options.option("--limit", "N", given->limit, "At most so many; top: 10 without it");
  options.flag("--lowest", given->lowest, "top: the lowest first");
  return [given](Session& session) { return run_experiments(session, *given); };
}

}  // namespace

constinit const Verb kExperiments{.name = "experiments",
                                  .summary = "List experiments, and the best of their evaluations",
                                  .examples =
                                      "  cairn experiments list\n"
                                      "  cairn experiments top cifar-search --limit 5\n"
                                      "  cairn experiments top cifar-search --metric latency_ms --lowest\n"
                                      "  cairn --json experiments stats cifar-search --generation 3\n",
                                  .lines = false,
                                  .declare = declare_experiments};

}  // namespace cairn::cli
