// SPDX-License-Identifier: Apache-2.0
//
// The schema: made once, however many make it; refused when it is newer or was changed.
#include "replication/postgres/schema.h"

#include <thread>

#include "replication/postgres/migrations.h"
#include "tests/replication/postgres/fixture.h"

namespace cairn::postgres {
namespace {

using ::testing::HasSubstr;

class SchemaTest : public PostgresTest {};

TEST_F(SchemaTest, WhatIsMadeIsWhatTheProgramSays) {
  const auto connection = connect();
  ASSERT_EQ(check_schema(*connection).error().code, ErrorCode::not_found);
  static_cast<void>(require_schema(*connection).ok());
  const auto found = describe_schema(*connection);
  CAIRN_ASSERT_OK(found);
  std::map<std::string, std::string> known;
  for (const SchemaObject& object : migrations().back().objects) known.emplace(object.name, object.digest);
  std::string list;
  for (const auto& [name, digest] : *found) list += "    {\"" + name + "\", \"" + digest + "\"},\n";
  EXPECT_EQ(*found, known) << "as migrations.cc has it:\n" << list;
}

TEST_F(SchemaTest, EightMakeItAtOnce) {
  std::vector<std::thread> threads;
  std::vector<Status> made(8);
  for (std::size_t i = 0; i < made.size(); ++i) {
    threads.emplace_back([this, &made, i] {
      auto connection = try_connect();
      made[i] = connection.ok() ? require_schema(**connection) : Status(connection.error());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Status& status : made) CAIRN_ASSERT_OK(status);
  EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.schema_versions"),
            static_cast<std::int64_t>(migrations().size()));
}

TEST_F(SchemaTest, OneThatIsMadeNeedsNoRightToMakeIt) {
  const auto owner = connect_with_schema();
  CAIRN_ASSERT_OK(
      owner->run("DROP ROLE IF EXISTS cairn_reader_of_test; CREATE ROLE cairn_reader_of_test;"
                 "GRANT USAGE ON SCHEMA cairn TO cairn_reader_of_test;"
                 "GRANT SELECT ON ALL TABLES IN SCHEMA cairn TO cairn_reader_of_test"));
  const auto reader = connect();
  CAIRN_ASSERT_OK(reader->run("SET ROLE cairn_reader_of_test"));
  CAIRN_ASSERT_OK(require_schema(*reader));
  CAIRN_ASSERT_OK(reader->query("SELECT count(*) FROM cairn.best_evaluations"));
  CAIRN_ASSERT_OK(reader->run("RESET ROLE; DROP OWNED BY cairn_reader_of_test; DROP ROLE cairn_reader_of_test"));
}

TEST_F(SchemaTest, ANewerOneIsRefusedAndLeftAlone) {
  const auto connection = connect_with_schema();
  CAIRN_ASSERT_OK(connection->run("INSERT INTO cairn.schema_versions (version) VALUES (1000)"));
  const Status refused = require_schema(*connection);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("has version 1000"));
  EXPECT_EQ(number(*connection, "SELECT count(*) FROM cairn.schema_versions"), 2);
}

TEST_F(SchemaTest, EachThingThatSomebodyChangedIsNamed) {
  const std::pair<const char*, const char*> changes[] = {
      {"ALTER TABLE cairn.evaluations ALTER worker DROP NOT NULL", "cairn.evaluations was changed"},
      {"ALTER TABLE cairn.evaluations ALTER generation TYPE int USING 0", "cairn."},
      {"ALTER TABLE cairn.refs ADD COLUMN mine text NOT NULL", "cairn.refs was changed"},
      {"DROP INDEX cairn.tensors_by_id", "cairn.tensors_by_id is missing"},
      {"DROP VIEW cairn.best_evaluations", "cairn.best_evaluations is missing"},
      {"ALTER TABLE cairn.results DROP CONSTRAINT results_store_fkey", "cairn.results was changed"},
      {"ALTER TABLE cairn.stores SET UNLOGGED", "cairn."},
  };
  for (const auto& [change, words] : changes) {
    SCOPED_TRACE(change);
    const auto connection = connect();
    CAIRN_ASSERT_OK(connection->run("DROP SCHEMA IF EXISTS cairn CASCADE"));
    CAIRN_ASSERT_OK(require_schema(*connection));
    if (!connection->run(change).ok()) continue;  // the server itself refuses some
    const Status refused = require_schema(*connection);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
    EXPECT_THAT(refused.error().message, HasSubstr(words));
  }
}

TEST_F(SchemaTest, WhatOthersAddBesideItIsNoMatter) {
  const auto connection = connect_with_schema();
  CAIRN_ASSERT_OK(
      connection->run("CREATE INDEX mine ON cairn.evaluations (recorded_ns);"
                      "CREATE VIEW cairn.mine_too AS SELECT 1"));
  CAIRN_ASSERT_OK(require_schema(*connection));
}

TEST_F(SchemaTest, EveryTableViewAndColumnOfATableIsCommented) {
  const auto connection = connect_with_schema();
  EXPECT_EQ(number(*connection,
                   "SELECT count(*) FROM pg_class c WHERE relnamespace = to_regnamespace('cairn') "
                   "AND relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL"),
            0);
  EXPECT_EQ(number(*connection,
                   "SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
                   "WHERE relnamespace = to_regnamespace('cairn') AND relkind = 'r' AND attnum > 0 "
                   "AND col_description(c.oid, attnum) IS NULL"),
            0);
}

}  // namespace
}  // namespace cairn::postgres
