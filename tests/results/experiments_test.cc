// SPDX-License-Identifier: Apache-2.0
//
// Experiments: there is one of each name, it says how it is, and it goes with all it has.
#include "tests/results/experiments_fixture.h"

namespace cairn {
namespace {

std::vector<std::string> names(const std::vector<Experiment>& experiments) {
  std::vector<std::string> found;
  for (const Experiment& experiment : experiments) found.push_back(experiment.name);
  return found;
}

TEST_F(ExperimentsTest, TheFirstOfANameIsMadeAndTheSecondFindsIt) {
  store_.time_ns = 70;
  const auto first = table_.create({.name = "nas",
                                    .config = R"({"seed": 18446744073709551615})",
                                    .search_space = "[1,2]",
                                    .optimizer = "evolution"});
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_TRUE(first->experiment.created);
  EXPECT_TRUE(first->ticket.has_value());
  wall_ns_ = 2'000;
  const auto second = table_.create({.name = "nas", .optimizer = "random"});
  ASSERT_TRUE(second.ok()) << second.error().message;
  EXPECT_FALSE(second->experiment.created);
  EXPECT_FALSE(second->ticket.has_value());
  for (const Experiment& experiment :
       {first->experiment.experiment, second->experiment.experiment, *table_.find("nas").value()}) {
    EXPECT_EQ(experiment.name, "nas");
    EXPECT_EQ(experiment.config, R"({"seed": 18446744073709551615})");
    EXPECT_EQ(experiment.search_space, "[1,2]");
    EXPECT_EQ(experiment.optimizer, "evolution");
    EXPECT_EQ(experiment.status, ExperimentStatus::running);
    EXPECT_EQ(experiment.created_ns, 1'000);
    EXPECT_EQ(experiment.updated_ns, 1'000);
    EXPECT_FALSE(experiment.completed_ns.has_value());
    EXPECT_EQ(experiment.evaluations, 0u);
    EXPECT_FALSE(experiment.best_fitness.has_value());
    EXPECT_EQ(experiment.heartbeat_store_ns, 70u);
  }
  EXPECT_FALSE(table_.find("other").value().has_value());
}

TEST_F(ExperimentsTest, ItCountsItsEvaluationsAndRemembersTheBest) {
  create("a");
  wall_ns_ = 5'000;
  store_.time_ns = 90;
  record("a", {evaluation("x", 0.25), evaluation("y", 0.75), evaluation("z", NAN)});
  const Experiment experiment = *table_.find("a").value();
  EXPECT_EQ(experiment.evaluations, 3u);
  EXPECT_EQ(experiment.best_fitness, 0.75);
  EXPECT_EQ(experiment.updated_ns, 5'000);
  EXPECT_EQ(experiment.created_ns, 1'000);
  EXPECT_EQ(experiment.heartbeat_store_ns, 90u);
}

TEST_F(ExperimentsTest, AStatusSaysWhenItEndedAndMayBeRunningAgain) {
  create("a");
  wall_ns_ = 3'000;
  ASSERT_TRUE(table_.set_status("a", ExperimentStatus::completed).ok());
  Experiment experiment = *table_.find("a").value();
  EXPECT_EQ(experiment.status, ExperimentStatus::completed);
  EXPECT_EQ(experiment.completed_ns, 3'000);
  EXPECT_EQ(experiment.updated_ns, 3'000);
  record("a", {evaluation("x", 1)});
  ASSERT_TRUE(table_.set_status("a", ExperimentStatus::running).ok());
  experiment = *table_.find("a").value();
  EXPECT_FALSE(experiment.completed_ns.has_value());
  EXPECT_EQ(experiment.evaluations, 1u);
  EXPECT_EQ(table_.set_status("a", ExperimentStatus::removing).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(table_.set_status("b", ExperimentStatus::failed).error().code, ErrorCode::not_found);
}

TEST_F(ExperimentsTest, StaleOnesAreFoundByTheStoresOwnTime) {
  for (const char* name : {"quiet", "touched", "records", "ended"}) create(name);
  ASSERT_TRUE(table_.set_status("ended", ExperimentStatus::failed).ok());
  store_.time_ns = 1'000;
  wall_ns_ = -5'000'000;  // what the machine's clock says is no reason
  ASSERT_TRUE(table_.touch("touched").ok());
  record("records", {evaluation("x", 1)});
  store_.time_ns = 1'500;
  EXPECT_EQ(names(table_.stale(std::chrono::nanoseconds(501)).value()), std::vector<std::string>{"quiet"});
  EXPECT_EQ(names(table_.stale(std::chrono::nanoseconds(500)).value()),
            (std::vector<std::string>{"quiet", "records", "touched"}));
  EXPECT_TRUE(table_.stale(std::chrono::nanoseconds(5'000)).value().empty());
  EXPECT_EQ(table_.touch("none").error().code, ErrorCode::not_found);
}

TEST_F(ExperimentsTest, PagesHaveAllOfThemByName) {
  for (const char* name : {"d", "b", "a", "c", "e"}) create(name);
  ASSERT_TRUE(table_.set_status("b", ExperimentStatus::completed).ok());
  const auto pages = [&](std::size_t limit, std::optional<ExperimentStatus> status) {
    std::vector<std::string> all;
    ExperimentPage page;
    do {
      page = table_.list(page.next, limit, status).value();
      EXPECT_LE(page.experiments.size(), limit);
      for (const std::string& name : names(page.experiments)) all.push_back(name);
    } while (!page.next.empty());
    return all;
  };
  for (std::size_t limit = 1; limit < 7; ++limit) {
    EXPECT_EQ(pages(limit, {}), (std::vector<std::string>{"a", "b", "c", "d", "e"}));
    EXPECT_EQ(pages(limit, ExperimentStatus::running), (std::vector<std::string>{"a", "c", "d", "e"}));
    EXPECT_EQ(pages(limit, ExperimentStatus::completed), (std::vector<std::string>{"b"}));
    EXPECT_TRUE(pages(limit, ExperimentStatus::failed).empty());
  }
}

TEST_F(ExperimentsTest, WhatTheCallGetsWrongIsRefused) {
  const auto code = [&](const NewExperiment& experiment) {
    const auto created = table_.create(experiment);
    return created.ok() ? std::optional<ErrorCode>() : std::optional(created.error().code);
  };
  EXPECT_EQ(code({.name = ""}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.name = "a\nb"}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.name = std::string(513, 'a')}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.name = "a", .config = "{"}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.name = "a", .search_space = "x"}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({.name = "a", .optimizer = std::string(1'000'001, 'x')}), ErrorCode::invalid_argument);
  EXPECT_EQ(entries(), 0u);
  EXPECT_EQ(code({.name = std::string(512, 'a'), .optimizer = std::string(1'000'000, 'x')}), std::nullopt);
}

TEST_F(ExperimentsTest, RemovingTakesEverythingAndNothingElse) {
  create("kept");
  record("kept", {evaluation("x", 1, 3, "w")});
  const std::size_t entries_before = entries(), index_before = index_keys();
  create("gone");
  std::vector<Evaluation> many;
  for (int i = 0; i < 10'000; ++i) {
    many.push_back(evaluation("h" + std::to_string(i), i, i % 7, "w"));
    many.back().metrics = {{"loss", i}};
  }
  record("gone", std::move(many));
  EXPECT_GT(index_keys(), index_before + 30'000);
  EXPECT_EQ(table_.remove("gone").value().evaluations, 10'000u);
  EXPECT_EQ(entries(), entries_before);
  EXPECT_EQ(index_keys(), index_before);
  EXPECT_FALSE(table_.find("gone").value().has_value());
  EXPECT_EQ(table_.remove("gone").error().code, ErrorCode::not_found);
  EXPECT_EQ(table_.record_many("gone", {evaluation("x", 1)}).error().code, ErrorCode::not_found);
  EXPECT_EQ(table_.statistics("kept", {}).value().count, 1u);
}

TEST_F(ExperimentsTest, ARemovalThatIsCutOffAnywhereIsFoundAndEnded) {
  for (int cut_at = 0;; ++cut_at) {
    SCOPED_TRACE(cut_at);
    const std::string name = "run" + std::to_string(cut_at);
    create(name);
    std::vector<Evaluation> many;
    for (int i = 0; i < 9'000; ++i) many.push_back(evaluation("h" + std::to_string(i), i));
    record(name, std::move(many));
    int writes = 0;
    hooked_.before_write = [&](const auto&) -> std::optional<Error> {
      if (writes++ != cut_at) return std::nullopt;
      return make_error(ErrorCode::io, "cut off");
    };
    const auto removed = table_.remove(name);
    hooked_.before_write = {};
    if (removed.ok()) {
      EXPECT_EQ(cut_at, 5) << "a mark, three batches and the name";
      break;
    }
    EXPECT_EQ(removed.error().message, "cut off");
    ExperimentTable reopened(store_, DigestKind::blake3);
    const auto there = reopened.find(name).value();
    ASSERT_TRUE(there.has_value());
    if (cut_at > 0) {
      EXPECT_EQ(there->status, ExperimentStatus::removing);
      EXPECT_EQ(names(reopened.list("", 9, ExperimentStatus::removing).value().experiments),
                std::vector<std::string>{name});
      EXPECT_EQ(reopened.create({.name = name}).error().code, ErrorCode::conflict);
      EXPECT_EQ(reopened.record_many(name, {evaluation("new", 1)}).error().code, ErrorCode::not_found);
      EXPECT_EQ(reopened.set_status(name, ExperimentStatus::running).error().code, ErrorCode::not_found);
    }
    EXPECT_TRUE(reopened.remove(name).ok());
    EXPECT_EQ(entries(), 1u) << "the number of the next experiment";
    EXPECT_EQ(index_keys(), 0u);
  }
}

TEST_F(ExperimentsTest, ANameThatIsUsedAgainHasNothingOfTheFirst) {
  create("a");
  record("a", {evaluation("x", 1)});
  EXPECT_EQ(table_.remove("a").value().evaluations, 1u);
  create("a");
  EXPECT_EQ(table_.statistics("a", {}).value().count, 0u);
  EXPECT_EQ(record("a", {evaluation("x", 2)}), std::vector<bool>{true});
  EXPECT_EQ(table_.evaluation("a", "x").value()->fitness, 2);
}

}  // namespace
}  // namespace cairn
