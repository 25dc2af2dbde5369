// SPDX-License-Identifier: Apache-2.0
//
// What a database has of stores comes back into a store: all of it, once, and nothing that no store wrote.
#include "api/src/postgres_pull.h"

#include <random>

#include "replication/postgres/read.h"
#include "tests/replication/postgres/message_proxy.h"
#include "tests/replication/postgres/stores_fixture.h"

namespace cairn::postgres {
namespace {

class PullTest : public StoresTest {
 protected:
  Result<PostgresPullReport> pull(const OpenedStore& into, PostgresPullOptions options = {},
                                  const std::string& at_port = port()) {
    return pull_from_postgres(*into.impl, {.text = Secret(address_of(database_, at_port))}, options);
  }
  PostgresPullReport pull_well(const OpenedStore& into, PostgresPullOptions options = {}) {
    const auto report = pull(into, std::move(options));
    EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
    if (!report.ok()) return {};
    EXPECT_EQ(report->conflicts.count, 0u) << report->conflicts.names.front();
    EXPECT_EQ(report->left_out.count, 0u) << report->left_out.names.front();
    return *report;
  }

  void fill(OpenedStore& store) {
    record(store.store, "search", 0, 60);
    record(store.store, "again", 0, 5);
    CAIRN_ASSERT_OK(store.store.experiments().set_status("again", ExperimentStatus::completed));
    CAIRN_ASSERT_OK(store.store.experiments().create({.name = "empty", .search_space = "[1]"}));
    stores_.put_result(store.store, "small", R"({"x": 1})");
    stores_.put_result(store.store, "large", "\"" + std::string(2'000'000, 'a') + "\"");
    const std::string any("\0\xff\\ü\n\x01", 7);
    Results results = store.store.results(any);
    CAIRN_ASSERT_OK(results.put(any, {.bytes = bytes_of(any)}, {.experiment = "search"}));
    CAIRN_ASSERT_OK(results.put(
        "tensor",
        {.serializer = "tensor", .bytes = Bytes(12), .tensor = TensorLayout{.dtype = DType::f32, .shape = {3, 1}}},
        {.cost = std::chrono::seconds(2)}));
    log(store.store, "training", 0, 3'000);
    for (int i = 0; i < 30; ++i) log(store.store, "joined", 10 * i, 10);
    auto metrics = store.store.metrics();
    auto run = metrics->run("any");
    CAIRN_ASSERT_OK(run);
    const double numbers[] = {std::nan(""), -std::numeric_limits<double>::infinity(), -0.0};
    for (std::int64_t i = 0; i < 9; ++i) {
      const NamedMetric real{"mixed", numbers[i % 3]}, whole{"mixed", i}, text{"words", std::string_view("ü\0x", 4)};
      CAIRN_ASSERT_OK(run->log(i / 2, std::span(i % 2 == 0 ? &real : &whole, 1), 5));
      if (i % 3 == 0) CAIRN_ASSERT_OK(run->log(i / 2, std::span(&text, 1), 4 + i));
    }
    CAIRN_ASSERT_OK(metrics->flush());
  }

  // Every row of one store, without what is that store's own: its number, those of its experiments and entries, and
  // times on its clock. Sums of floating-point numbers are rounded.
  static std::multiset<std::string> said_by(Connection& connection, const StoreImpl& store) {
    std::multiset<std::string> all;
    const std::pair<const char*, const char*> tables[] = {
        {"experiments", "to_jsonb(t) - 'number'"},
        {"experiment_progress",
         "to_jsonb(t) - 'number' - 'heartbeat_store_ns' - 'mean_fitness' - 'squares' || "
         "jsonb_build_object('mean', round(mean_fitness::numeric, 9), 'squares', round(squares::numeric, 9))"},
        {"evaluations",
         "to_jsonb(t) - 'experiment' || jsonb_build_object('name', (SELECT name FROM cairn.experiments e "
         "WHERE e.store = t.store AND e.number = t.experiment))"},
        {"results",
         "to_jsonb(t) - 'version' - 'expires_store_ns' - 'eviction_clock' || "
         "jsonb_build_object('expires', expires_store_ns IS NOT NULL)"},
        {"metrics", "to_jsonb(t)"}};
    for (const auto& [table, cells] : tables) {
      CellWriter values;
      values.uuid(store.header().uuid);
      const auto rows = connection.query("SELECT ((" + std::string(cells) + ") - 'store')::text FROM cairn." +
                                             std::string(table) + " t WHERE store = $1",
                                         values);
      EXPECT_TRUE(rows.ok()) << table << ": " << (rows.ok() ? "" : rows.error().message);
      if (!rows.ok()) continue;
      for (std::size_t i = 0; i < rows->size(); ++i) {
        CellReader row = rows->row(i);
        all.insert(std::string(table) + " " + row.raw());
      }
    }
    return all;
  }
  // What one store says is said by the other, and nothing else.
  void expect_same(const OpenedStore& a, const OpenedStore& b) {
    const auto connection = connect();
    const auto of_a = said_by(*connection, *a.impl), of_b = said_by(*connection, *b.impl);
    std::vector<std::string> missing, extra;
    std::ranges::set_difference(of_a, of_b, std::back_inserter(missing));
    std::ranges::set_difference(of_b, of_a, std::back_inserter(extra));
    EXPECT_TRUE(missing.empty()) << missing.size() << ", as " << missing.front().substr(0, 500);
    EXPECT_TRUE(extra.empty()) << extra.size() << ", as " << extra.front().substr(0, 500);
  }
  static std::string text_of(Store& store, const std::string& key) {
    const auto value = store.results("eval").get(key);
    EXPECT_TRUE(value.ok()) << (value.ok() ? "" : value.error().message);
    return value.ok() && *value ? std::string((*value)->text()) : "nothing";
  }
};

TEST_F(PullTest, AStoreThatIsPulledAndPushedAgainGivesTheSameRows) {
  OpenedStore a = stores_.open("a"), b = stores_.open("b");
  fill(a);
  push_well(a);
  const PostgresPullReport report = pull_well(b);
  EXPECT_EQ(report.experiments, 3u);
  EXPECT_EQ(report.evaluations, 65u);
  EXPECT_EQ(report.results, 4u);
  EXPECT_GT(report.metric_blocks, 2u);
  push_well(b);
  expect_same(a, b);

  // And what the store tells of it.
  const auto best_there = a.store.experiments().evaluations("search", {.limit = 60});
  const auto best_here = b.store.experiments().evaluations("search", {.limit = 60});
  CAIRN_ASSERT_OK(best_here);
  ASSERT_EQ(best_here->evaluations.size(), best_there->evaluations.size());
  EXPECT_EQ(best_here->evaluations.front().hash, best_there->evaluations.front().hash);
  EXPECT_EQ(b.store.experiments().generations("search")->size(), a.store.experiments().generations("search")->size());
  EXPECT_EQ(b.store.experiments().statistics("search", 3)->max, a.store.experiments().statistics("search", 3)->max);
  const auto curve = b.store.metrics()->query("training", "loss");
  CAIRN_ASSERT_OK(curve);
  EXPECT_EQ(curve->points.size(), 3'000u);
  EXPECT_EQ(b.store.metrics()->query("mixed", "x").ok(), a.store.metrics()->query("mixed", "x").ok());
  EXPECT_EQ(text_of(b.store, "large").size(), 2'000'002u);
  const auto info = b.store.results("eval").info("small");
  CAIRN_ASSERT_OK(info);
  ASSERT_TRUE((*info)->time_left.has_value());
  EXPECT_LE(*(*info)->time_left, std::chrono::hours(1));
  EXPECT_EQ((*info)->created_ns, (*a.store.results("eval").info("small"))->created_ns);
  CAIRN_ASSERT_OK(b.store.check({}));
}

TEST_F(PullTest, WhatIsThereIsNotWrittenAgainAndWhatIsNewFollows) {
  OpenedStore a = stores_.open("a"), b = stores_.open("b");
  fill(a);
  push_well(a);
  pull_well(b);
  const auto again = pull_well(b);
  EXPECT_EQ(again.experiments + again.evaluations + again.results + again.metric_blocks, 0u);

  record(a.store, "search", 50, 30);
  CAIRN_ASSERT_OK(a.store.experiments().set_status("search", ExperimentStatus::failed));
  stores_.put_result(a.store, "small", R"({"x": 2})");
  log(a.store, "training", 3'000, 200);
  for (int i = 30; i < 300; ++i) log(a.store, "joined", 10 * i, 10);  // small blocks that are joined
  push_well(a);
  const auto more = pull_well(b);
  EXPECT_EQ(more.evaluations, 20u);
  EXPECT_EQ(more.experiments, 1u);
  EXPECT_EQ(more.results, 1u);
  push_well(b);
  expect_same(a, b);
  EXPECT_EQ(text_of(b.store, "small"), R"({"x": 2})");
  EXPECT_EQ(b.store.metrics()->query("joined", "loss")->points.size(), 3'000u);
}

TEST_F(PullTest, SmallBatchesComeToTheSame) {
  OpenedStore a = stores_.open("a"), b = stores_.open("b");
  fill(a);
  push_well(a);
  std::size_t told = 0;
  pull_well(b, {.batch_bytes = 1, .progress = [&](const PostgresPullReport&) {
                  ++told;
                  return Status();
                }});
  EXPECT_GT(told, 65u);
  push_well(b);
  expect_same(a, b);
}

TEST_F(PullTest, APullThatIsCutHasBroughtWholeThingsAndGoesOn) {
  OpenedStore a = stores_.open("a");
  fill(a);
  push_well(a);
  const auto of_a = a.impl->header().uuid;
  for (std::size_t cut = 1; cut < 150; cut += 21) {
    SCOPED_TRACE(cut);
    OpenedStore b = stores_.open("b" + std::to_string(cut));
    std::size_t told = 0;
    const auto stopped =
        pull(b, {.store = of_a, .batch_bytes = 1, .progress = [&](const PostgresPullReport&) -> Status {
                   if (++told < cut) return {};
                   return mirror::make_error(ErrorCode::cancelled, "cut");
                 }});
    CAIRN_ASSERT_OK(b.store.check({}));
    pull_well(b, {.store = of_a});
    push_well(b);
    expect_same(a, b);
    if (stopped.ok()) break;
  }
}

TEST_F(PullTest, APullWhoseConnectionsAreCutGoesOn) {
  const std::uint64_t seed =
      std::getenv("CAIRN_TEST_SEED") == nullptr ? 1 : std::stoull(std::getenv("CAIRN_TEST_SEED"));
  RecordProperty("seed", static_cast<int>(seed));
  std::mt19937_64 random(seed);
  OpenedStore a = stores_.open("a"), b = stores_.open("b");
  fill(a);
  push_well(a);
  std::atomic<std::size_t> cut_at = 5;
  MessageProxy proxy(std::stoi(port()), [&](std::size_t message) {
    return message == cut_at ? MessageProxy::Do::cut : MessageProxy::Do::pass;
  });
  RetryClock clock = system_retry_clock();
  std::size_t cuts = 0;
  clock.sleep = [&](std::chrono::milliseconds) {
    ++cuts;
    cut_at = cut_at + random() % 30;
    return true;
  };
  const auto report =
      pull(b, {.retry = {.attempts_max = 1'000, .time_max = std::chrono::minutes(5)}, .clock = clock}, proxy.port());
  ASSERT_TRUE(report.ok()) << "seed " << seed << ": " << report.error().message;
  EXPECT_GT(cuts, 3u);
  push_well(b);
  expect_same(a, b);
}

TEST_F(PullTest, WhatIsSomethingElseHereStaysAndIsNamed) {
  OpenedStore a = stores_.open("a"), b = stores_.open("b");
  record(a.store, "same", 0, 4);
  record(a.store, "other texts", 0, 4);
  log(a.store, "run", 0, 50);
  log(a.store, "behind", 0, 50);
  stores_.put_result(a.store, "older there", "1");
  CAIRN_ASSERT_OK(b.store.experiments().create({.name = "same", .config = R"({"lr": 0.1})", .optimizer = "adam"}));
  CAIRN_ASSERT_OK(b.store.experiments().record("same", {.architecture = R"({"layers": 1})", .fitness = 7}));
  CAIRN_ASSERT_OK(b.store.experiments().create({.name = "other texts", .optimizer = "sgd"}));
  log(b.store, "run", 7, 50);
  log(b.store, "behind", 0, 60);
  stores_.put_result(b.store, "older there", "2");
  push_well(a);
  for (int i = 0; i < 2; ++i) {
    const auto report = pull(b);
    CAIRN_ASSERT_OK(report);
    EXPECT_EQ(report->left_out.count, 0u);
    EXPECT_THAT(report->conflicts.names,
                ::testing::UnorderedElementsAre(::testing::HasSubstr("experiment 'other texts'"),
                                                ::testing::HasSubstr("of experiment 'same' says something else"),
                                                ::testing::HasSubstr("run 'run' is something else")));
    EXPECT_EQ(report->evaluations, i == 0 ? 3u : 0u);
  }
  EXPECT_EQ(b.store.experiments().find("other texts").value()->evaluations, 0u);
  EXPECT_EQ(b.store.experiments().find("same").value()->best_fitness, 7);
  EXPECT_EQ(b.store.metrics()->query("run", "loss")->points.front().step, 7);
  EXPECT_EQ(b.store.metrics()->query("behind", "loss")->points.size(), 60u);
  EXPECT_EQ(text_of(b.store, "older there"), "2");

  // Of the same moment.
  CAIRN_ASSERT_OK(connect()->run("UPDATE cairn.results SET created_ns = " +
                                 std::to_string((*b.store.results("eval").info("older there"))->created_ns)));
  EXPECT_EQ(pull(b)->conflicts.count, 4u);
  CAIRN_ASSERT_OK(connect()->run("UPDATE cairn.results SET created_ns = created_ns + 1"));
  EXPECT_EQ(pull(b)->results, 1u);
  EXPECT_EQ(text_of(b.store, "older there"), "1");
}

TEST_F(PullTest, OneStoreOrNamedExperimentsAloneAreBrought) {
  OpenedStore a = stores_.open("a"), b = stores_.open("b"), c = stores_.open("c"), d = stores_.open("d");
  record(a.store, "one", 0, 4);
  record(a.store, "two", 0, 4);
  CAIRN_ASSERT_OK(a.store.results("eval").put("of two", ResultValue::json("1"), {.experiment = "two"}));
  stores_.put_result(a.store, "of none", "1");
  record(b.store, "two", 2, 4);
  stores_.put_result(b.store, "of b", "1");
  push_well(a);
  push_well(b);
  EXPECT_EQ(pull_well(c, {.store = b.impl->header().uuid}).evaluations, 4u);
  EXPECT_EQ(c.store.experiments().list()->experiments.size(), 1u);
  EXPECT_EQ(text_of(c.store, "of b"), "1");
  EXPECT_EQ(text_of(c.store, "of two"), "nothing");

  const auto two = pull(d, {.experiments = {"two"}});
  CAIRN_ASSERT_OK(two);
  EXPECT_EQ(two->evaluations, 6u) << "of both stores, each architecture once";
  EXPECT_EQ(two->conflicts.count, 2u) << "that were recorded at other times";
  EXPECT_EQ(d.store.experiments().list()->experiments.size(), 1u);
  EXPECT_EQ(text_of(d.store, "of two"), "1");
  EXPECT_EQ(text_of(d.store, "of none"), "nothing");

  EXPECT_EQ(pull(d, {.experiments = {"three"}}).error().code, ErrorCode::not_found);
  EXPECT_EQ(pull(d, {.store = store_uuid(9)}).error().code, ErrorCode::not_found);
}

TEST_F(PullTest, WhatNoStoreWritesIsNamedAndTheRestIsBrought) {
  OpenedStore a = stores_.open("a"), b = stores_.open("b");
  record(a.store, "good", 0, 3);
  record(a.store, "bad", 0, 3);
  stores_.put_result(a.store, "good", "1");
  stores_.put_result(a.store, "bad json", "2");
  stores_.put_result(a.store, "bad id", "3");
  stores_.put_result(a.store, "bad text", "4");
  stores_.put_result(a.store, "huge", "5");
  CAIRN_ASSERT_OK(a.store.results("eval").put(
      "tensor",
      {.serializer = "tensor", .bytes = Bytes(4), .tensor = TensorLayout{.dtype = DType::f32, .shape = {1}}}));
  log(a.store, "good", 0, 10);
  log(a.store, "bad", 0, 10);
  log(a.store, "swapped", 0, 10);
  push_well(a);
  CAIRN_ASSERT_OK(connect()->run(
      "UPDATE cairn.experiments SET status = 'asleep' WHERE name = 'bad';"
      "UPDATE cairn.evaluations SET architecture = '{' WHERE architecture_hash = (SELECT min(architecture_hash) FROM "
      "cairn.evaluations);"
      "UPDATE cairn.results SET bytes = '{' WHERE key = 'bad json';"
      "UPDATE cairn.results SET id = sha256('x') WHERE key = 'bad id';"
      "UPDATE cairn.results SET serializer = '\\' WHERE key = 'bad text';"
      "UPDATE cairn.results SET bytes = convert_to('\"' || repeat('x', 70000000) || '\"', 'UTF8') WHERE key = 'huge';"
      "UPDATE cairn.results SET shape = '{9223372036854775807,9223372036854775807}' WHERE key = 'tensor';"
      "UPDATE cairn.metrics SET reals = '{1}' WHERE run = 'bad' AND series = 'loss';"
      "UPDATE cairn.metrics SET run = 'elsewhere' WHERE run = 'swapped'"));
  const auto report = pull(b);
  CAIRN_ASSERT_OK(report);
  EXPECT_EQ(report->conflicts.count, 0u);
  EXPECT_EQ(report->left_out.count, 9u) << ::testing::PrintToString(report->left_out.names);
  EXPECT_EQ(report->evaluations, 2u);
  EXPECT_EQ(report->results, 1u);
  EXPECT_EQ(report->metric_blocks, 1u);
  EXPECT_EQ(text_of(b.store, "good"), "1");
  CAIRN_ASSERT_OK(b.store.check({}));
}

// Nothing may be made of it, and nothing that is here may go for it.
TEST_F(PullTest, ARunThatIsNotWholeThereIsNamedAndWhatIsHereStays) {
  OpenedStore a = stores_.open("a"), b = stores_.open("b");
  for (const char* const run : {"empty", "headless", "goes on"}) log(a.store, run, 0, 50);
  log(b.store, "goes on", 0, 40);
  push_well(a);
  const auto connection = connect();
  CAIRN_ASSERT_OK(
      connection->run("UPDATE cairn.metrics SET steps = '{}', times_ns = '{}', reals = '{}' "
                      "WHERE run = 'empty' AND reals IS NOT NULL"));
  CAIRN_ASSERT_OK(connection->run("UPDATE cairn.metrics SET block = block + 1 WHERE run = 'headless'"));
  const auto report = pull(b);
  CAIRN_ASSERT_OK(report);
  EXPECT_EQ(report->left_out.count, 2u) << ::testing::PrintToString(report->left_out.names);
  EXPECT_EQ(b.store.metrics()->query("goes on", "loss")->points.size(), 50u);
  const auto runs = b.store.metrics()->runs();
  CAIRN_ASSERT_OK(runs);
  EXPECT_THAT(*runs, ::testing::ElementsAre("goes on"));
}

TEST_F(PullTest, WhatTheStoreCouldNotMirrorIsNamed) {
  OpenedStore a = stores_.open("a"), b = stores_.open("b");
  stores_.put_result(a.store, "damaged", "\"" + std::string(2'000'000, 'b') + "\"");
  const RecordLocation at = content_of_a_result(a);
  const std::string segment = "a/log/0000000" + std::to_string(at.segment) + ".seg";
  CAIRN_ASSERT_OK(stores_.fs_.flip_bit(segment, at.offset + at.stored_bytes / 2, 3));
  CAIRN_ASSERT_OK(push(a));
  const auto report = pull(b);
  CAIRN_ASSERT_OK(report);
  EXPECT_THAT(report->left_out.names, ::testing::ElementsAre(::testing::HasSubstr("result 'eval/damaged'")));
  EXPECT_EQ(text_of(b.store, "damaged"), "nothing");
}

TEST_F(PullTest, OneRowIsInMemoryAtATimeWhateverCameBefore) {
  OpenedStore a = stores_.open("a");
  for (int i = 0; i < 40; ++i) {
    stores_.put_result(a.store, std::to_string(i), "\"" + std::string(i < 20 ? 10 : 1'000'000, 'x') + "\"");
  }
  push_well(a);
  const auto connection = connect();
  std::size_t rows = 0;
  CAIRN_ASSERT_OK(connection->visit("SELECT bytes FROM cairn.results", [&](const Rows& row) -> Status {
    ++rows;
    EXPECT_EQ(row.size(), 1u);
    EXPECT_LT(row.bytes(), 1'100'000u);
    return {};
  }));
  EXPECT_EQ(rows, 40u);
  rows = 0;
  const auto stopped = connection->visit("SELECT bytes FROM cairn.results", [&](const Rows&) -> Status {
    ++rows;
    return mirror::make_error(ErrorCode::cancelled, "enough");
  });
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
  EXPECT_EQ(rows, 1u);
  EXPECT_EQ(number(*connection, "SELECT 7::int8"), 7) << "the connection goes on";
}

}  // namespace
}  // namespace cairn::postgres
