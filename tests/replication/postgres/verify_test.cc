// SPDX-License-Identifier: Apache-2.0
//
// Whatever differs between a store and what a database has of it is found and named, in each table; and nothing else.
#include "api/src/postgres_verify.h"

#include "replication/postgres/read.h"
#include "tests/replication/postgres/stores_fixture.h"

namespace cairn::postgres {

// For messages of a test that fails.
inline void PrintTo(const PostgresVerifyReport::Difference& difference, std::ostream* out) {
  *out << difference.table << " '" << difference.key << "' " << static_cast<int>(difference.kind);
}

namespace {

using Kind = PostgresVerifyReport::Kind;

class VerifyTest : public StoresTest {
 protected:
  Result<PostgresVerifyReport> verify(const OpenedStore& store, const PostgresVerifyOptions& options = {}) {
    MirrorSource source(*store.impl);
    PostgresRows rows(*store.impl);
    const auto connection = connect();
    return verify_in_postgres(source, rows, *connection, options);
  }
  PostgresVerifyReport verify_well(const OpenedStore& store, const PostgresVerifyOptions& options = {}) {
    const auto report = verify(store, options);
    EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
    return report.ok() ? *report : PostgresVerifyReport();
  }
  void fill(OpenedStore& store) {
    record(store.store, "search", 0, 30);
    CAIRN_ASSERT_OK(store.store.experiments().create({.name = "any",
                                                      .config = R"({"a": ["\u0000"], "ü": 1e3})",
                                                      .search_space = R"({"b": 0.10})",
                                                      .optimizer = "\\"}));
    Evaluation odd{.architecture = R"({"x": 1e-7})", .fitness = -0.0};
    odd.metrics = {{"nan", std::nan("")},
                   {"inf", std::numeric_limits<double>::infinity()},
                   {"zero", -0.0},
                   {"least", 5e-324},
                   {"most", std::numeric_limits<double>::max()},
                   {"tenth", 0.1},
                   {"whole", 1e22},
                   {"\\ü", -1e-9}};
    CAIRN_ASSERT_OK(store.store.experiments().record("any", odd));
    stores_.add(store.store, "model", 2);
    stores_.add(store.store, "model", 3);
    stores_.add(store.store, "other", 2);  // the same content under two names
    save(store.store, 7);
    stores_.put_result(store.store, "small", R"({"x": 1})");
    stores_.put_result(store.store, "large", "\"" + std::string(2'000'000, 'a') + "\"");
    const std::string any("\0\xff\\ü\n\x01", 7);
    CAIRN_ASSERT_OK(store.store.results(any).put(any, {.bytes = bytes_of(any)}, {.cost = std::chrono::seconds(1)}));
    log(store.store, "training", 0, 200);
    auto metrics = store.store.metrics();
    auto run = metrics->run("words");
    CAIRN_ASSERT_OK(run);
    const NamedMetric word{"word", std::string_view("ü\\\0x", 5)}, nan{"nan", std::nan("")};
    CAIRN_ASSERT_OK(run->log(1, std::span(&word, 1), 1));
    CAIRN_ASSERT_OK(run->log(2, std::span(&nan, 1), 2));
    CAIRN_ASSERT_OK(metrics->flush());
  }
  // What is found once `sql` was run, which is taken back.
  std::vector<PostgresVerifyReport::Difference> planted(const OpenedStore& store, const std::string& sql) {
    MirrorSource source(*store.impl);
    PostgresRows rows(*store.impl);
    const auto connection = connect();
    EXPECT_TRUE(connection->run("BEGIN").ok());
    const Status changed = connection->run(sql);
    EXPECT_TRUE(changed.ok()) << sql << ": " << (changed.ok() ? "" : changed.error().message);
    const auto report = verify_in_postgres(source, rows, *connection);
    EXPECT_TRUE(report.ok()) << sql << ": " << (report.ok() ? "" : report.error().message);
    if (!report.ok()) return {};
    for (const auto& table : report->tables) {
      const auto is_of_it = [&](const auto& difference) { return difference.table == table.name; };
      EXPECT_EQ(table.differs, std::ranges::any_of(report->differences, is_of_it)) << table.name;
    }
    return report->differences;
  }
};

TEST_F(VerifyTest, WhatWasPushedIsTheSameInEveryTable) {
  OpenedStore a = stores_.open("a"), b = stores_.open("b");
  fill(a);
  record(b.store, "search", 0, 3);
  push_well(a);
  push_well(b);
  const PostgresVerifyReport report = verify_well(a);
  EXPECT_THAT(report.differences, ::testing::IsEmpty());
  EXPECT_FALSE(report.has_more);
  EXPECT_FALSE(report.is_behind);
  for (const auto& table : verify_well(a, {.batch_bytes = 1}).tables) {
    EXPECT_FALSE(table.differs) << table.name << ": what two names say is there once";
  }
  ASSERT_EQ(report.tables.size(), 10u);
  for (const auto& table : report.tables) {
    EXPECT_FALSE(table.differs) << table.name;
    EXPECT_EQ(table.here, table.there) << table.name;
    EXPECT_EQ(table.here == 0, table.name == "left_out") << table.name;
  }
}

TEST_F(VerifyTest, EveryKindOfDifferenceIsFoundInEveryTable) {
  OpenedStore a = stores_.open("a");
  fill(a);
  push_well(a);
  // A change of a row, and what makes a copy of it a row that the store does not have.
  struct Planted {
    const char *table, *change, *copy;
    Kind copied = Kind::extra, removed = Kind::missing;  // of a group that has several rows it is different then
  };
  const Planted tables[] = {
      {"experiments", "updated_ns = updated_ns + 1", R"({"name": "extra"})"},
      {"experiment_progress", "squares = squares + 1e-9", R"({"number": 77})"},
      {"evaluations", "fitness = 'NaN', generation = 5", R"({"architecture_hash": "extra"})"},
      {"results", "eviction_clock = 1", R"({"id": "\\x00", "key": "extra"})"},
      {"metrics", "times_ns = array_prepend(1::int8, times_ns)", R"({"id": "\\x00", "run": "extra"})", Kind::extra,
       Kind::different},
      {"refs", "tags = '{\"a\": \"b\"}'", R"({"name": "extra"})"},
      {"files", "note = 'x'", R"({"part": 5})", Kind::different},
      {"tensors", "shape = '{1}', dtype = 'f32'", R"({"model": "\\x00"})", Kind::extra, Kind::different}};
  const auto is = [](std::string_view table, Kind kind) {
    return ::testing::AllOf(
        ::testing::Field(&PostgresVerifyReport::Difference::table, table),
        ::testing::Field(&PostgresVerifyReport::Difference::kind, kind),
        ::testing::Field(&PostgresVerifyReport::Difference::key, ::testing::Not(::testing::IsEmpty())));
  };
  for (const auto& [table, change, copy, copied, removed] : tables) {
    SCOPED_TRACE(table);
    const std::string name = std::string("cairn.") + table;
    const std::string first = " WHERE ctid = (SELECT min(ctid) FROM " + name + ")";
    EXPECT_THAT(planted(a, "UPDATE " + name + " SET " + change + first),
                ::testing::ElementsAre(is(table, Kind::different)));
    EXPECT_THAT(planted(a, "DELETE FROM " + name + first), ::testing::ElementsAre(is(table, removed)));
    EXPECT_THAT(planted(a, "INSERT INTO " + name + " SELECT (jsonb_populate_record(t, '" + copy + "')).* FROM " + name +
                               " t" + first),
                ::testing::ElementsAre(is(table, copied)));
  }
  const std::string first = " WHERE ctid = (SELECT min(ctid) FROM cairn.snapshots)";
  EXPECT_THAT(planted(a, "UPDATE cairn.snapshots SET parent = 'x'" + first),
              ::testing::ElementsAre(is("snapshots", Kind::different)));
  EXPECT_THAT(planted(a, "DELETE FROM cairn.snapshots" + first),
              ::testing::UnorderedElementsAre(is("snapshots", Kind::missing), is("files", Kind::missing)));
  EXPECT_THAT(planted(a,
                      "INSERT INTO cairn.snapshots SELECT (jsonb_populate_record(t, '{\"id\": \"\\\\x00\"}')).* FROM "
                      "cairn.snapshots t" +
                          first),
              ::testing::ElementsAre(is("snapshots", Kind::extra)));
  EXPECT_THAT(planted(a, "INSERT INTO cairn.left_out SELECT store, 'x', 12, 'x', 'x' FROM cairn.stores"),
              ::testing::ElementsAre(is("left_out", Kind::extra)));
}

TEST_F(VerifyTest, JsonThatIsNotThatOfItsTextIsFound) {
  OpenedStore a = stores_.open("a");
  fill(a);
  push_well(a);
  using Difference = PostgresVerifyReport::Difference;
  const Difference search{"experiments", "search", Kind::different}, small{"results", "eval/small", Kind::different};
  EXPECT_THAT(planted(a, "UPDATE cairn.experiments SET config_json = '{\"lr\": 0.2}' WHERE name = 'search'"),
              ::testing::ElementsAre(search));
  EXPECT_THAT(planted(a, "UPDATE cairn.experiments SET config_json = NULL WHERE name = 'search'"),
              ::testing::ElementsAre(search));
  EXPECT_EQ(planted(a, "UPDATE cairn.experiments SET search_space_json = '1' WHERE name = 'any'").size(), 1u);
  EXPECT_EQ(planted(a, "UPDATE cairn.evaluations SET architecture_json = '{}' WHERE generation = 1").size(), 10u);
  EXPECT_THAT(planted(a, "UPDATE cairn.results SET json = '2' WHERE key = 'small'"), ::testing::ElementsAre(small));
  // Nothing that the server chokes on.
  EXPECT_EQ(planted(a, "UPDATE cairn.experiments SET config = '{' WHERE name = 'search'").size(), 1u);
  EXPECT_EQ(planted(a, "UPDATE cairn.experiments SET config_json = '1' WHERE name = 'any'").size(), 1u);
  EXPECT_EQ(planted(a, "UPDATE cairn.evaluations SET metrics = '{\"loss\": \"1e\"}' WHERE generation = 2").size(), 10u);
  EXPECT_EQ(planted(a, "UPDATE cairn.refs SET tags = '[1]' WHERE name = 'other'").size(), 1u);
  EXPECT_EQ(planted(a, "UPDATE cairn.refs SET tags = '{\"a\": null}' WHERE name = 'other'").size(), 1u);
}

TEST_F(VerifyTest, AsManyAreNamedAsAreAskedFor) {
  OpenedStore a = stores_.open("a");
  record(a.store, "search", 0, 300);
  push_well(a);
  CAIRN_ASSERT_OK(connect()->run("UPDATE cairn.evaluations SET worker = 'nobody'; DELETE FROM cairn.experiments"));
  EXPECT_EQ(verify_well(a).differences.size(), 301u);
  EXPECT_FALSE(verify_well(a).has_more);
  const auto some = verify_well(a, {.differences_max = 7});
  EXPECT_EQ(some.differences.size(), 7u);
  EXPECT_TRUE(some.has_more);
  const auto few_rows = verify_well(a, {.rows_max = 10});
  EXPECT_TRUE(few_rows.has_more);
  EXPECT_GE(few_rows.differences.size(), 2u) << "of each table that differs";
  EXPECT_LT(few_rows.differences.size(), 40u);
  EXPECT_EQ(few_rows.tables.at(2).there, 300u);
}

TEST_F(VerifyTest, WhatWasLeftOutIsNoDifferenceAndWhatCameSinceIsOne) {
  OpenedStore a = stores_.open("a");
  stores_.put_result(a.store, "damaged", "\"" + std::string(2'000'000, 'b') + "\"");
  const RecordLocation at = content_of_a_result(a);
  const std::string segment = "a/log/0000000" + std::to_string(at.segment) + ".seg";
  CAIRN_ASSERT_OK(stores_.fs_.flip_bit(segment, at.offset + at.stored_bytes / 2, 3));
  CAIRN_ASSERT_OK(push(a));
  EXPECT_THAT(verify_well(a).differences, ::testing::IsEmpty());
  stores_.put_result(a.store, "new", "1");
  const auto behind = verify_well(a);
  EXPECT_TRUE(behind.is_behind);
  EXPECT_THAT(behind.differences,
              ::testing::ElementsAre(PostgresVerifyReport::Difference{"results", "eval/new", Kind::missing}));
  EXPECT_EQ(verify(stores_.open("b"))->tables.at(0).here, 0u) << "a store that was never pushed";
  CAIRN_ASSERT_OK(connect()->run("UPDATE cairn.stores SET log_offset = 1000000000"));
  EXPECT_EQ(verify(a).error().code, ErrorCode::conflict);
}

}  // namespace
}  // namespace cairn::postgres
