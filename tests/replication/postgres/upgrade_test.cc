// SPDX-License-Identifier: Apache-2.0
//
// Databases that each version of the schema made, tracked in tests/replication/postgres/golden as they were dumped
// then: whatever is built since brings them up to its version, finds every row as it would write it, and goes on.
//
//   CAIRN_WRITE_GOLDEN_SCHEMA=1 POSTGRES_TESTS=build/dev/tests/postgres_tests
//       tests/replication/postgres_server_test.py --gtest_filter='UpgradeTest.*'
//
// writes that of the newest version, once, when there is none yet. One that was released never changes: databases like
// it are in use.
#include <cstdio>
#include <fstream>
#include <sstream>

#include "api/src/mirror_source.h"
#include "api/src/postgres_push.h"
#include "cairn/results.h"
#include "replication/postgres/migrations.h"
#include "replication/postgres/read.h"
#include "tests/replication/postgres/sample_rows.h"
#include "tests/replication/postgres/table_dump.h"
#include "tests/support/scratch_folder.h"
#include "tests/support/source_tree.h"

namespace cairn::postgres {
namespace {

using ::testing::HasSubstr;

namespace stdfs = std::filesystem;

stdfs::path golden(std::size_t version) {
  return cairn::testing::source_tree() / "tests/replication/postgres/golden" /
         ("schema-" + std::to_string(version) + ".sql");
}

// Without what differs between two runs.
void write_dump(const std::string& database, const stdfs::path& path) {
  const std::string command =
      "PGPASSWORD=\"$CAIRN_POSTGRES_PASSWORD\" pg_dump --host=127.0.0.1 --username=postgres --port=" + port() +
      " --schema=cairn --no-owner --no-privileges " + database + " | grep -v -e '^--' -e '^\\\\[a-z]' -e '^$'";
  std::FILE* const dumped = ::popen(command.c_str(), "r");
  ASSERT_NE(dumped, nullptr);
  std::ofstream file(path);
  char buffer[4096];
  for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, dumped)) > 0;) {
    file.write(buffer, static_cast<std::streamsize>(got));
  }
  EXPECT_EQ(::pclose(dumped), 0);
}

// In the databases is what a store says that format version 1 wrote (tests/format/golden-store), and of another one a
// few rows of every table.
class UpgradeTest : public PostgresTest, public ::testing::WithParamInterface<std::size_t> {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    stdfs::copy(cairn::testing::source_tree() / "tests/format/golden-store/blake3/store", scratch_ / "store",
                stdfs::copy_options::recursive);
    auto opened = StoreImpl::open(posix_file_system(), scratch_ / "store", {.threads = 1}, {});
    CAIRN_ASSERT_OK(opened);
    impl_ = opened->get();
    store_.emplace(StoreImpl::handle(std::move(opened).value()));
  }

  template <class Row>
  static void put_each(Batch& batch, const std::vector<Row>& rows) {
    for (const Row& row : rows) CAIRN_ASSERT_OK(batch.put(row));
  }
  template <class Row>
  static void put_group(Batch& batch, const std::vector<Row>& rows) {
    CAIRN_ASSERT_OK(batch.put(rows.front().key, std::span(rows)));
  }
  static void write_rows(Connection& connection) {
    Batch batch(store_uuid(1), {}, place(10));
    put_each(batch, experiments());
    put_each(batch, progress());
    put_each(batch, evaluations());
    std::vector<ResultRow> small = results();
    std::erase_if(small, [](const ResultRow& row) { return row.bytes.size() > 1'000; });
    put_each(batch, small);
    put_group(batch, metrics());
    put_each(batch, snapshots());
    put_group(batch, files());
    put_each(batch, refs());
    put_group(batch, tensors());
    put_each(batch, left_out());
    CAIRN_ASSERT_OK(apply(connection, batch));
  }
  static void write_more_rows(Connection& connection) {
    Batch batch(store_uuid(1), place(10), place(20));
    CAIRN_ASSERT_OK(batch.put(evaluation(1, 0.75)));
    CAIRN_ASSERT_OK(batch.put(evaluation(7)));
    CAIRN_ASSERT_OK(batch.remove(results()[0].key));
    const auto applied = apply(connection, batch);
    CAIRN_ASSERT_OK(applied);
    EXPECT_EQ(*applied, Applied::now);
  }
  Result<PostgresPushReport> push() const {
    MirrorSource source(*impl_);
    PostgresRows rows(*impl_);
    return PostgresPusher(source, rows, {.text = Secret(address_of(database_))}, {}).push();
  }

  // In a database of its own, that this program makes.
  template <class Write>
  std::multiset<std::string> dump_of_fresh(const Write& write) {
    const std::string before = std::exchange(database_, database_ + "_fresh");
    const auto server = Connection::open({.text = Secret(address_of("postgres"))});
    EXPECT_TRUE((*server)->run("DROP DATABASE IF EXISTS " + database_).ok());
    EXPECT_TRUE((*server)->run("CREATE DATABASE " + database_).ok());
    const auto connection = connect_with_schema();
    write(*connection);
    auto all = dump(*connection);
    database_ = before;
    return all;
  }

  void write_golden() {
    static_cast<void>(dump_of_fresh([&](Connection& connection) {
      CAIRN_ASSERT_OK(push());
      write_rows(connection);
      write_dump(database_, golden(GetParam()));
    }));
  }
  void restore() const {
    std::ifstream file(golden(GetParam()));
    ASSERT_TRUE(file) << golden(GetParam()) << " is not there: the first lines of this file say how it is made";
    const auto connection = connect();
    std::string script;
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with("COPY ")) {
        script += line + '\n';
        continue;
      }
      CAIRN_ASSERT_OK(connection->run(std::exchange(script, {})));
      std::string row;
      CAIRN_ASSERT_OK(connection->copy_in(line, [&]() -> std::string_view {
        if (!std::getline(file, row) || row == "\\.") return {};
        return row += '\n';
      }));
    }
    CAIRN_ASSERT_OK(connection->run(script));
    EXPECT_EQ(*schema_version(*connection), static_cast<std::int64_t>(GetParam()));
  }

  cairn::testing::ScratchFolder scratch_;
  StoreImpl* impl_ = nullptr;
  std::optional<Store> store_;
};
INSTANTIATE_TEST_SUITE_P(FromVersion, UpgradeTest, ::testing::Range(std::size_t{1}, migrations().size() + 1),
                         [](const auto& version) { return std::to_string(version.param); });

TEST_P(UpgradeTest, ADatabaseIsBroughtUpToThisVersionAndGoesOn) {
  if (std::getenv("CAIRN_WRITE_GOLDEN_SCHEMA") != nullptr && GetParam() == migrations().size()) write_golden();
  const auto rows_of_before = dump_of_fresh([&](Connection& connection) {
    CAIRN_ASSERT_OK(push());
    write_rows(connection);
  });
  restore();
  const auto connection = connect_with_schema();
  CAIRN_ASSERT_OK(check_schema(*connection));
  expect_same(dump(*connection), rows_of_before);
  EXPECT_EQ(*read_place(*connection, store_uuid(1)), place(10));

  CAIRN_ASSERT_OK(store_->results("eval").put("behind the upgrade", ResultValue::json("1")));
  const auto pushed = push();
  CAIRN_ASSERT_OK(pushed);
  EXPECT_EQ(pushed->rows, 1u) << "what it had is not written again";
  write_more_rows(*connection);
  expect_same(dump(*connection), dump_of_fresh([&](Connection& fresh) {
                CAIRN_ASSERT_OK(push());
                write_rows(fresh);
                write_more_rows(fresh);
              }));
}

TEST_P(UpgradeTest, ADatabaseThatSomebodyChangedIsRefusedAndLeftAsItIs) {
  restore();
  const auto connection = connect();
  // Whatever a later version makes of it, it is not what that makes of its own.
  CAIRN_ASSERT_OK(connection->run("ALTER TABLE cairn.results ALTER serializer DROP NOT NULL"));
  const auto before = dump(*connection);
  CAIRN_ASSERT_OK(store_->results("eval").put("behind the change", ResultValue::json("1")));
  const auto refused = push();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_FALSE(refused.error().retryable);
  EXPECT_THAT(refused.error().message, HasSubstr("cairn.results was changed"));
  expect_same(dump(*connection), before);
}

}  // namespace
}  // namespace cairn::postgres
