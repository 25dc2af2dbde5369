// SPDX-License-Identifier: Apache-2.0
//
// Evaluations: each is recorded once, is found by its numbers, and counts in the statistics.
#include <algorithm>
#include <limits>
#include <random>
#include <set>
#include <thread>

#include "tests/results/experiments_fixture.h"

namespace cairn {
namespace {

using Hashes = std::vector<std::string>;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class EvaluationsTest : public ExperimentsTest {
 protected:
  void SetUp() override { create("a"); }
};

TEST_F(EvaluationsTest, EachIsRecordedOnceAndTheFirstComesBack) {
  const Evaluation given{.architecture = R"({"width": 8, "depth": 2.0})",
                         .fitness = 0.5,
                         .metrics = {{"loss", NAN}, {"params", 1e6}},
                         .generation = 3,
                         .worker = "gpu0",
                         .duration_seconds = 1.5};
  const auto first = table_.record_many("a", {given}).value();
  EXPECT_TRUE(first.evaluations.at(0).inserted);
  EXPECT_TRUE(first.ticket.has_value());
  wall_ns_ = 9'000;
  Evaluation again = given;
  again.architecture = R"({ "depth":2, "width":8 })";
  again.fitness = 0.9;
  const auto second = table_.record_many("a", {again}).value();
  EXPECT_FALSE(second.evaluations.at(0).inserted);
  EXPECT_FALSE(second.ticket.has_value());
  const std::string hash = first.evaluations[0].evaluation.hash;
  EXPECT_TRUE(hash.starts_with("blake3:")) << hash;
  for (const Evaluation& one :
       {first.evaluations[0].evaluation, second.evaluations[0].evaluation, *table_.evaluation("a", hash).value()}) {
    EXPECT_EQ(one.architecture, R"({"depth":2,"width":8})");
    EXPECT_EQ(one.hash, hash);
    EXPECT_EQ(one.fitness, 0.5);
    EXPECT_TRUE(std::isnan(one.metrics.at("loss")));
    EXPECT_EQ(one.metrics.at("params"), 1e6);
    EXPECT_EQ(one.generation, 3u);
    EXPECT_EQ(one.worker, "gpu0");
    EXPECT_EQ(one.duration_seconds, 1.5);
    EXPECT_EQ(one.recorded_ns, 1'000);
  }
  EXPECT_EQ(table_.statistics("a", {}).value().count, 1u);
  EXPECT_FALSE(table_.evaluation("a", "other").value().has_value());
}

TEST_F(EvaluationsTest, AHashMayBeTheCallersOwn) {
  const std::string digest = "blake3:" + std::string(64, 'a');
  const Hashes given = {digest, "blake3:" + std::string(64, 'A'), "blake3:short", std::string(64, 'a'), "x"};
  for (const std::string& hash : given) EXPECT_EQ(record("a", {evaluation(hash, 1)}), std::vector<bool>{true}) << hash;
  for (const std::string& hash : given) EXPECT_EQ(record("a", {evaluation(hash, 2)}), std::vector<bool>{false}) << hash;
  for (const std::string& hash : given) EXPECT_EQ(table_.evaluation("a", hash).value()->hash, hash);
  Hashes found = hashes("a", {}), sorted = given;
  std::sort(found.begin(), found.end());
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(found, sorted);
  create("b");
  EXPECT_EQ(record("b", {evaluation("x", 1)}), std::vector<bool>{true});
}

TEST_F(EvaluationsTest, ABatchIsOneWriteAndKnowsItsOwn) {
  record("a", {evaluation("old", 1)});
  const std::uint64_t writes = store_.writes();
  EXPECT_EQ(record("a", {evaluation("x", 1), evaluation("old", 2), evaluation("x", 3), evaluation("y", 4)}),
            (std::vector<bool>{true, false, false, true}));
  EXPECT_EQ(store_.writes(), writes + 1);
  EXPECT_EQ(table_.evaluation("a", "x").value()->fitness, 1);
  EXPECT_EQ(table_.evaluation("a", "old").value()->fitness, 1);
  EXPECT_EQ(table_.statistics("a", {}).value().count, 3u);
  EXPECT_TRUE(record("a", {}).empty());
  EXPECT_EQ(store_.writes(), writes + 1);
}

TEST_F(EvaluationsTest, OneThatIsWrongLeavesTheWholeBatchOut) {
  const auto message = [&](Evaluation wrong) {
    const auto batch = table_.record_many("a", {evaluation("x", 1), std::move(wrong)});
    EXPECT_FALSE(batch.ok());
    if (batch.ok()) return std::string();
    EXPECT_EQ(batch.error().code, ErrorCode::invalid_argument);
    return batch.error().message;
  };
  EXPECT_NE(message({}).find("neither"), std::string::npos);
  EXPECT_NE(message({.architecture = R"({"a":1,"a":2})"}).find("'a'"), std::string::npos);
  EXPECT_NE(message({.architecture = "{", .hash = "y"}).find("y"), std::string::npos);
  EXPECT_NE(message({.hash = std::string(257, 'h')}).find("hash"), std::string::npos);
  EXPECT_NE(message({.hash = "y", .metrics = {{"", 1}}}).find("metric"), std::string::npos);
  EXPECT_NE(message({.hash = "y", .worker = "a\x01"}).find("worker"), std::string::npos);
  EXPECT_NE(message({.architecture = '"' + std::string(1'000'000, 'x') + '"'}).find("896 KiB"), std::string::npos);
  Evaluation many{.hash = "y"};
  for (int i = 0; i < 257; ++i) many.metrics["m" + std::to_string(i)] = i;
  EXPECT_NE(message(many).find("256"), std::string::npos);
  EXPECT_EQ(table_.statistics("a", {}).value().count, 0u);
  many.metrics.erase("m0");
  EXPECT_EQ(record("a", {many}), std::vector<bool>{true});
}

TEST_F(EvaluationsTest, TheBestComeFirstAndWhatIsNoNumberLast) {
  record("a", {evaluation("two", 2), evaluation("nan", NAN), evaluation("minus", -1.5),
               evaluation("infinite", kInfinity), evaluation("zero", -0.0), evaluation("lowest", -kInfinity),
               evaluation("later two", 2), evaluation("later nan", -NAN)});
  const Hashes highest = {"infinite", "later two", "two", "zero", "minus", "lowest", "later nan", "nan"};
  const Hashes lowest = {"lowest", "minus", "zero", "two", "later two", "infinite", "nan", "later nan"};
  for (std::size_t limit = 1; limit < 10; ++limit) {
    EXPECT_EQ(hashes("a", {.best = Best::highest, .limit = limit}), highest) << limit;
    EXPECT_EQ(hashes("a", {.best = Best::lowest, .limit = limit}), lowest) << limit;
  }
  EXPECT_EQ(table_.evaluations("a", {.limit = 2}).value().evaluations.at(1).hash, "later two");
}

TEST_F(EvaluationsTest, TheyAreFoundByMetricGenerationAndWorker) {
  std::vector<Evaluation> all = {evaluation("x", 1, 0, "w1"), evaluation("y", 3, 1, "w2"), evaluation("z", 2, 1, "w1"),
                                 evaluation("n", NAN, 1), evaluation("v", 5, 256, "w1 ")};
  all[0].metrics = {{"loss", 0.1}, {"lossy", 1}};
  all[1].metrics = {{"loss", NAN}};
  all[2].metrics = {{"loss", 0.3}};
  all[4].metrics = {{"loss", -0.3}};
  record("a", all);
  EXPECT_EQ(hashes("a", {.best = Best::lowest, .metric = "loss"}), (Hashes{"v", "x", "z", "y"}));
  EXPECT_EQ(hashes("a", {.metric = "loss", .limit = 1}), (Hashes{"z", "x", "v", "y"}));
  EXPECT_EQ(hashes("a", {.metric = "lossy"}), Hashes{"x"});
  EXPECT_EQ(hashes("a", {.metric = "none"}), Hashes{});
  EXPECT_EQ(hashes("a", {.generation = 1, .limit = 2}), (Hashes{"y", "z", "n"}));
  EXPECT_EQ(hashes("a", {.best = Best::lowest, .generation = 1}), (Hashes{"z", "y", "n"}));
  EXPECT_EQ(hashes("a", {.generation = 256}), Hashes{"v"});
  EXPECT_EQ(hashes("a", {.worker = "w1"}), (Hashes{"z", "x"}));
  EXPECT_EQ(hashes("a", {.best = Best::lowest, .worker = "w1", .limit = 1}), (Hashes{"x", "z"}));
  create("b");
  EXPECT_EQ(hashes("b", {}), Hashes{});
}

TEST_F(EvaluationsTest, AQueryThatNoIndexAnswersIsRefused) {
  for (const EvaluationQuery& query : std::vector<EvaluationQuery>{{.limit = 0},
                                                                   {.metric = "m", .generation = 1},
                                                                   {.metric = "m", .worker = "w"},
                                                                   {.generation = 1, .worker = "w"},
                                                                   {.worker = ""},
                                                                   {.cursor = "x"},
                                                                   {.cursor = std::string(32, 'g')},
                                                                   {.cursor = std::string(33, '0')}}) {
    EXPECT_EQ(table_.evaluations("a", query).error().code, ErrorCode::invalid_argument);
  }
  EXPECT_EQ(table_.evaluations("none", {}).error().code, ErrorCode::not_found);
  EXPECT_EQ(table_.evaluation("a", "").error().code, ErrorCode::invalid_argument);
}

// What the statistics must be, from all numbers at once.
EvaluationStatistics expected(const std::vector<double>& fitness) {
  EvaluationStatistics expected{.count = fitness.size()};
  double sum = 0, squares = 0, finite = 0;
  for (const double one : fitness) {
    if (std::isnan(one)) {
      ++expected.not_a_number;
      continue;
    }
    expected.min = std::isnan(expected.min) ? one : std::min(expected.min, one);
    expected.max = std::isnan(expected.max) ? one : std::max(expected.max, one);
    if (std::isinf(one)) {
      ++expected.infinite;
      continue;
    }
    ++finite;
    sum += one;
  }
  expected.best = expected.max;
  if (finite == 0) return expected;
  expected.mean = sum / finite;
  for (const double one : fitness) squares += std::isfinite(one) ? std::pow(one - expected.mean, 2) : 0;
  expected.variance = squares / finite;
  return expected;
}

void expect_same(const EvaluationStatistics& is, const EvaluationStatistics& should) {
  const auto same = [](double a, double b) {
    return (std::isnan(a) && std::isnan(b)) || a == b || std::abs(a - b) <= 1e-9 * std::max(1.0, std::abs(b));
  };
  EXPECT_EQ(is.count, should.count);
  EXPECT_EQ(is.not_a_number, should.not_a_number);
  EXPECT_EQ(is.infinite, should.infinite);
  EXPECT_PRED2(same, is.best, should.best);
  EXPECT_PRED2(same, is.min, should.min);
  EXPECT_PRED2(same, is.max, should.max);
  EXPECT_PRED2(same, is.mean, should.mean);
  EXPECT_PRED2(same, is.variance, should.variance);
}

TEST_F(EvaluationsTest, StatisticsAreThoseOfAllNumbers) {
  expect_same(table_.statistics("a", {}).value(), expected({}));
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal(100, 3);
  std::vector<double> all;
  std::map<std::uint64_t, std::vector<double>> by_generation;
  for (int i = 0; i < 500; ++i) {
    double fitness = normal(random);
    if (i % 10 == 3) fitness = NAN;
    if (i % 97 == 5) fitness = i % 2 == 0 ? kInfinity : -kInfinity;
    const std::uint64_t generation = random() % 5 * 1000;
    record("a", {evaluation("h" + std::to_string(i), fitness, generation)});
    record("a", {evaluation("h" + std::to_string(i), 1e9, 77)});  // known, and so nothing
    all.push_back(fitness);
    by_generation[generation].push_back(fitness);
    if (i % 50 == 0) expect_same(table_.statistics("a", {}).value(), expected(all));
  }
  ExperimentTable reopened(store_, DigestKind::blake3);
  expect_same(reopened.statistics("a", {}).value(), expected(all));
  const auto generations = reopened.generations("a", 0, 1000).value();
  ASSERT_EQ(generations.size(), by_generation.size());
  for (const GenerationStatistics& one : generations) {
    expect_same(one.statistics, expected(by_generation.at(one.generation)));
    expect_same(reopened.statistics("a", one.generation).value(), one.statistics);
  }
  EXPECT_EQ(reopened.generations("a", 1001, 2).value().at(0).generation, 2000u);
  EXPECT_EQ(reopened.generations("a", 1001, 2).value().size(), 2u);
  EXPECT_EQ(reopened.statistics("a", 77).value().count, 0u);
}

TEST_F(EvaluationsTest, NumbersWhoseDifferenceIsInfiniteHaveAMean) {
  record("a", {evaluation("x", 1.5e308), evaluation("y", -1.5e308)});
  EXPECT_EQ(table_.statistics("a", {}).value().mean, 0);
}

TEST_F(EvaluationsTest, ThreadsAndTablesThatRecordAtOnceCountEverythingOnce) {
  ExperimentTable other(store_, DigestKind::blake3);
  constexpr int kThreads = 6, kEach = 120;
  std::atomic<int> inserted = 0, failed = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      // All threads record the same evaluations, each in another order.
      for (int i = 0; i < kEach; ++i) {
        const int number = (i * 7 + t * 31) % kEach;
        auto& table = t % 2 == 0 ? table_ : other;
        const auto batch = table.record_many("a", {evaluation("h" + std::to_string(number), number, number % 3),
                                                   evaluation("t" + std::to_string(t) + "-" + std::to_string(i), 1)});
        if (!batch.ok()) {
          ++failed;
          continue;
        }
        for (const RecordedEvaluation& one : batch->evaluations) inserted += one.inserted ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(inserted, kEach + kThreads * kEach);
  const auto statistics = table_.statistics("a", {}).value();
  EXPECT_EQ(statistics.count, static_cast<std::uint64_t>(kEach + kThreads * kEach));
  EXPECT_EQ(statistics.max, kEach - 1);
  std::uint64_t sum = 0;
  const auto generations = table_.generations("a", 0, 10).value();
  for (const GenerationStatistics& one : generations) sum += one.statistics.count;
  EXPECT_EQ(sum, statistics.count);
  const Hashes found = hashes("a", {.limit = 100});
  EXPECT_EQ(found.size(), statistics.count);
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), found.size());
}

TEST_F(EvaluationsTest, AWriteThatFailsLeavesStatisticsAsTheyAreStored) {
  record("a", {evaluation("x", 1)});
  for (const ErrorCode code : {ErrorCode::io, ErrorCode::overloaded}) {
    store_.fail_next_write(make_error(code, "refused"));
    EXPECT_EQ(table_.record_many("a", {evaluation("y", 7)}).error().code, code);
    EXPECT_EQ(table_.statistics("a", {}).value().count, 1u);
  }
  EXPECT_EQ(record("a", {evaluation("y", 3)}), std::vector<bool>{true});
  EXPECT_EQ(table_.statistics("a", {}).value().max, 3);
  EXPECT_EQ(table_.statistics("a", 0).value().count, 2u);
}

TEST_F(EvaluationsTest, AConflictThatNeverEndsIsReturned) {
  int writes = 0;
  hooked_.before_write = [&](const auto&) -> std::optional<Error> {
    ++writes;
    return make_error(ErrorCode::conflict, "somebody else");
  };
  EXPECT_EQ(table_.record_many("a", {evaluation("x", 1)}).error().code, ErrorCode::conflict);
  EXPECT_GT(writes, 1);
}

}  // namespace
}  // namespace cairn
