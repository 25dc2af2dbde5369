// SPDX-License-Identifier: Apache-2.0
//
// A database as one of a store's mirrors, through the public calls: pushed to, kept up to date, asked where it is.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>

#include "api/src/opened_mirror.h"
#include "api/src/running_mirrors.h"
#include "cairn/experiments.h"
#include "cairn/mirrors.h"
#include "tests/replication/postgres/fixture.h"
#include "tests/replication/postgres/message_proxy.h"
#include "tests/store/mirror_fixture.h"

namespace cairn::postgres {
namespace {

using cairn::testing::OpenedStore;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

// The verbs of the mirror's tests.
struct Stores final : cairn::testing::MirrorTest {
  void TestBody() override {}
  using MirrorTest::add;
  using MirrorTest::block_of;
  using MirrorTest::fs_;
  using MirrorTest::inputs_;
  using MirrorTest::open;
  using MirrorTest::put_result;
};

class DatabaseMirrorTest : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    // Where a password belongs: libpq takes the file from its owner alone.
    pass_file_ = stores_.inputs_ / "pgpass";
    cairn::testing::write_file(pass_file_, "*:*:*:*:" + password() + "\n");
    ASSERT_EQ(::chmod(pass_file_.c_str(), 0600), 0);
  }

  MirrorPlace place(const std::string& at_port = port()) const {
    return {.url = "postgresql://postgres@127.0.0.1:" + at_port + "/" + database_ +
                   "?sslmode=disable&gssencmode=disable&passfile=" + pass_file_};
  }
  // A store with the database for a mirror.
  OpenedStore open(const std::string& at_port = port()) {
    OpenedStore store = stores_.open("a");
    const Status added = store.store.mirrors().add("db", place(at_port));
    EXPECT_TRUE(added.ok()) << added.error().message;
    return store;
  }
  static MirroringOptions eager() { return {.linger = milliseconds(0), .nice = 0}; }
  static MirroringStats stats_of(Store& store) { return store.mirrors().mirroring("db").value(); }
  std::int64_t results() const { return number(*connect(), "SELECT count(*) FROM cairn.results"); }
  // Connections to the database of this test, but for the one that asks.
  std::int64_t connections() const {
    return number(*connect(),
                  "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                  "backend_type = 'client backend' AND pid <> pg_backend_pid()");
  }

  Stores stores_;
  std::string pass_file_;
};

TEST_F(DatabaseMirrorTest, WhatIsSaidComesToTheDatabaseByItself) {
  OpenedStore a = open();
  CAIRN_ASSERT_OK(a.store.mirrors().start("db", eager()));
  stores_.add(a.store, "model", 2);
  stores_.put_result(a.store, "loss", "0.25");
  CAIRN_ASSERT_OK(a.store.mirrors().wait_until_mirrored("db"));
  const MirroringStats stats = stats_of(a.store);
  EXPECT_EQ(stats.state, MirroringState::current);
  EXPECT_EQ(stats.lag_bytes, 0u);
  EXPECT_GT(stats.sent.rows, 0u);
  EXPECT_GT(stats.sent.sent_bytes, 0u);
  EXPECT_EQ(results(), 1);
  stores_.put_result(a.store, "accuracy", "0.5");
  CAIRN_ASSERT_OK(a.store.archive().remove("model@1"));
  CAIRN_ASSERT_OK(a.store.mirrors().wait_until_mirrored("db"));
  EXPECT_EQ(results(), 2);
  EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.refs"), 0);
  // A store that is closed holds nothing there.
  CAIRN_ASSERT_OK(a.store.close());
  while (connections() > 0) std::this_thread::yield();
}

TEST_F(DatabaseMirrorTest, StatusSaysWhatIsThereAndWhatIsNotYet) {
  OpenedStore a = open();
  stores_.add(a.store, "model", 2);
  stores_.put_result(a.store, "loss", "0.25");
  const auto before = a.store.mirrors().status("db");
  CAIRN_ASSERT_OK(before);
  EXPECT_TRUE(before->stores.empty()) << "nobody has pushed";
  EXPECT_EQ(before->rows.at("results"), 0u);
  EXPECT_GT(before->behind_statements, 0u);
  EXPECT_GT(before->behind_bytes, 0u);

  const auto pushed = a.store.mirrors().push("db");
  CAIRN_ASSERT_OK(pushed);
  EXPECT_GT(pushed->rows, 0u);
  EXPECT_GT(pushed->requests, 0u);
  auto there = a.store.mirrors().status("db");
  CAIRN_ASSERT_OK(there);
  EXPECT_EQ(there->behind_statements, 0u);
  EXPECT_EQ(there->rows.at("results"), 1u);
  EXPECT_EQ(there->rows.at("refs"), 1u);
  EXPECT_EQ(there->rows.at("left_out"), 0u);
  ASSERT_EQ(there->stores.size(), 1u);
  EXPECT_TRUE(there->stores[0].is_this);
  EXPECT_EQ(there->stores[0].names, std::vector<std::string>{"model@1"});

  stores_.put_result(a.store, "accuracy", "0.5");
  there = a.store.mirrors().status("db");
  CAIRN_ASSERT_OK(there);
  EXPECT_GT(there->behind_statements, 0u);
  const auto again = a.store.mirrors().push("db");
  CAIRN_ASSERT_OK(again);
  EXPECT_EQ(again->rows, 1u);
}

TEST_F(DatabaseMirrorTest, WhatIsLeftOutIsToldWithItsReason) {
  OpenedStore a = open();
  CAIRN_ASSERT_OK(a.store.experiments().create({.name = "search", .config = "{}", .optimizer = "adam"}));
  Evaluation one;
  one.architecture = R"({"layers": 3})";
  // No number of a database is so large.
  one.generation = std::uint64_t{1} << 63;
  CAIRN_ASSERT_OK(a.store.experiments().record("search", one));
  const auto pushed = a.store.mirrors().push("db");
  CAIRN_ASSERT_OK(pushed);
  ASSERT_EQ(pushed->left_out.size(), 1u);
  const auto status = a.store.mirrors().status("db");
  CAIRN_ASSERT_OK(status);
  EXPECT_EQ(status->rows.at("experiments"), 1u);
  EXPECT_EQ(status->rows.at("evaluations"), 0u);
  EXPECT_EQ(status->rows.at("left_out"), 1u);
  EXPECT_EQ(status->left_out, pushed->left_out);
  EXPECT_EQ(status->behind_statements, 1u);
}

TEST_F(DatabaseMirrorTest, APushOfOnesOwnGoesBesideAMirrorThatRuns) {
  OpenedStore a = open();
  CAIRN_ASSERT_OK(a.store.mirrors().start("db", eager()));
  stores_.put_result(a.store, "loss", "0.25");
  CAIRN_ASSERT_OK(a.store.mirrors().wait_until_mirrored("db"));
  // It holds the store's lock in the database: pausing gives that up.
  CAIRN_ASSERT_OK(a.store.mirrors().pause("db"));
  stores_.put_result(a.store, "accuracy", "0.5");
  const auto pushed = a.store.mirrors().push("db");
  CAIRN_ASSERT_OK(pushed);
  EXPECT_EQ(pushed->rows, 1u);
  EXPECT_EQ(stats_of(a.store).state, MirroringState::paused);
  stores_.put_result(a.store, "third", "1");
  EXPECT_FALSE(a.store.mirrors().wait_until_mirrored("db", milliseconds(1)).ok());
  EXPECT_EQ(results(), 2);
  CAIRN_ASSERT_OK(a.store.mirrors().resume("db"));
  CAIRN_ASSERT_OK(a.store.mirrors().wait_until_mirrored("db"));
  EXPECT_EQ(results(), 3);
  EXPECT_TRUE(a.store.mirrors().stop("db").value());
  EXPECT_FALSE(a.store.mirrors().stop("db").value());
  while (connections() > 0) std::this_thread::yield();
}

TEST_F(DatabaseMirrorTest, WhileTheServerIsAwayNobodyWaitsAndItCatchesUp) {
  std::atomic<bool> away = false;
  MessageProxy proxy(std::stoi(port()),
                     [&](std::size_t) { return away ? MessageProxy::Do::cut : MessageProxy::Do::pass; });
  OpenedStore a = open(proxy.port());
  CAIRN_ASSERT_OK(a.store.mirrors().start("db", eager()));
  stores_.put_result(a.store, "0", "0.25");
  CAIRN_ASSERT_OK(a.store.mirrors().wait_until_mirrored("db"));
  away = true;
  for (int i = 1; i < 20; ++i) stores_.put_result(a.store, std::to_string(i), "0.5");
  stores_.add(a.store, "model", 2);
  CAIRN_ASSERT_OK(a.store.archive().remove("model@1"));
  const Status late = a.store.mirrors().wait_until_mirrored("db", milliseconds(1));
  ASSERT_FALSE(late.ok());
  EXPECT_TRUE(late.error().retryable) << late.error().message;
  // Reclaiming does not wait for it either.
  const auto freed = a.store.gc({.max_dead = 0});
  CAIRN_ASSERT_OK(freed);
  EXPECT_GT(freed->freed_bytes, 0u);
  EXPECT_GT(stats_of(a.store).lag_bytes, 0u);
  away = false;
  CAIRN_ASSERT_OK(a.store.mirrors().wait_until_mirrored("db"));
  EXPECT_EQ(results(), 20);
  EXPECT_TRUE(stats_of(a.store).error.empty()) << stats_of(a.store).error;
}

TEST_F(DatabaseMirrorTest, AServerThatHangsHoldsUpNeitherPutsNorClosing) {
  // In the middle of being connected to, and of what comes after; a statement may take two minutes otherwise.
  for (const std::size_t at : {std::size_t{0}, std::size_t{2}, std::size_t{30}}) {
    SCOPED_TRACE(at);
    std::atomic<bool> hangs = false;
    MessageProxy proxy(std::stoi(port()), [&](std::size_t message) {
      if (message >= at) hangs = true;
      return message >= at ? MessageProxy::Do::hang : MessageProxy::Do::pass;
    });
    OpenedStore a = open(proxy.port());
    stores_.put_result(a.store, "before", "0.25");
    CAIRN_ASSERT_OK(a.store.mirrors().start("db", eager()));
    while (!hangs) std::this_thread::yield();
    stores_.put_result(a.store, "after", "0.5");
    EXPECT_EQ(stats_of(a.store).state, MirroringState::pushing);
    CAIRN_ASSERT_OK(a.store.close());
    CAIRN_ASSERT_OK(StoreImpl::destroy(stores_.fs_, "a"));
  }
}

TEST_F(DatabaseMirrorTest, WhatIsSentAtALowRateIsPaidForAndClosingDoesNotWaitForThat) {
  OpenedStore a = open();
  // Almost a minute of it.
  stores_.put_result(a.store, "large", "\"" + std::string(3'000'000, 'b') + "\"");
  MirroringOptions slow = eager();
  slow.bytes_per_second = 64 * KiB;
  CAIRN_ASSERT_OK(a.store.mirrors().start("db", slow));
  while (stats_of(a.store).sent.rows == 0) std::this_thread::yield();
  const Status late = a.store.mirrors().wait_until_mirrored("db", std::chrono::seconds(1));
  ASSERT_FALSE(late.ok());
  EXPECT_TRUE(late.error().retryable) << late.error().message;
  EXPECT_EQ(stats_of(a.store).state, MirroringState::pushing);
  EXPECT_EQ(results(), 1);
  CAIRN_ASSERT_OK(a.store.close());
}

TEST_F(DatabaseMirrorTest, AStopEndsAPushThatHangs) {
  std::atomic<bool> hangs = false;
  MessageProxy proxy(std::stoi(port()), [&](std::size_t message) {
    if (message >= 30) hangs = true;
    return message >= 30 ? MessageProxy::Do::hang : MessageProxy::Do::pass;
  });
  OpenedStore a = open(proxy.port());
  stores_.put_result(a.store, "loss", "0.25");
  std::stop_source stop;
  std::thread stopping([&] {
    while (!hangs) std::this_thread::yield();
    stop.request_stop();
  });
  const auto pushed = a.store.mirrors().push("db", {.report = {}, .problem = {}, .stop = stop.get_token()});
  stopping.join();
  ASSERT_FALSE(pushed.ok());
  EXPECT_EQ(pushed.error().code, ErrorCode::cancelled) << pushed.error().message;
}

// One that is kept up to date, with options that a store does not give.
class KeptDatabaseTest : public DatabaseMirrorTest {
 protected:
  void start(milliseconds rest_after) {
    store_.emplace(open());
    auto opened = open_mirror(*store_->impl, "db");
    CAIRN_ASSERT_OK(opened);
    opened_ = std::move(opened).value();
    source_.emplace(*store_->impl);
    remote_ = opened_->remote(*source_, {});
    mirror::MirrorOptions options;
    options.linger = options.interval = milliseconds(1);
    options.rest_after = rest_after;
    mirror_.emplace(*source_, *remote_, options);
    CAIRN_ASSERT_OK(mirror_->start());
  }
  void put_and_wait_until_mirrored(const std::string& key) {
    stores_.put_result(store_->store, key, "0.25");
    const Position end = store_->impl->index().applied();
    CAIRN_ASSERT_OK(mirror_->wait_until({end.segment, end.offset}, std::chrono::nanoseconds::max()));
  }

  std::optional<OpenedStore> store_;
  std::unique_ptr<OpenedMirror> opened_;
  std::optional<MirrorSource> source_;
  std::unique_ptr<mirror::Remote> remote_;
  std::optional<mirror::Mirror> mirror_;
};

TEST_F(KeptDatabaseTest, WhileNothingIsNewTheDatabaseIsNotKeptConnected) {
  start(milliseconds(1));
  put_and_wait_until_mirrored("loss");
  while (connections() > 0) std::this_thread::yield();
  put_and_wait_until_mirrored("accuracy");
  EXPECT_EQ(results(), 2);
  EXPECT_EQ(mirror_->stats().failures, 0u);
}

TEST_F(KeptDatabaseTest, APauseLeavesTheDatabaseToOthersAtOnce) {
  start(std::chrono::hours(1));
  put_and_wait_until_mirrored("loss");
  EXPECT_GE(connections(), 1);
  mirror_->pause();
  while (connections() > 0) std::this_thread::yield();
  mirror_->resume();
  put_and_wait_until_mirrored("accuracy");
  EXPECT_EQ(results(), 2);
}

TEST_F(DatabaseMirrorTest, AskedForContentItSaysThatItHasNone) {
  OpenedStore a = open();
  const auto expect_unsupported = [](const Status& status) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::unsupported) << status.error().message;
    EXPECT_THAT(status.error().message, HasSubstr("the mirror 'db'"));
  };
  const auto status_of = [](const auto& result) { return result.ok() ? Status() : Status(result.error()); };
  Mirrors mirrors = a.store.mirrors();
  expect_unsupported(status_of(mirrors.gc("db")));
  expect_unsupported(status_of(mirrors.repair("db")));
  const auto restored = Mirrors::restore(stores_.inputs_ / "restored", place());
  EXPECT_EQ(status_of(restored).error().code, ErrorCode::unsupported);
  EXPECT_FALSE(std::filesystem::exists(stores_.inputs_ / "restored"));
}

TEST_F(DatabaseMirrorTest, AWrongPasswordIsToldAtOnceAndNotRepeated) {
  cairn::testing::write_file(pass_file_, "*:*:*:*:a-wrong-secret\n");
  OpenedStore a = open();
  CAIRN_ASSERT_OK(a.store.mirrors().start("db", eager()));
  stores_.put_result(a.store, "loss", "0.25");
  const Status refused = a.store.mirrors().wait_until_mirrored("db");
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("28P01"));
  for (const std::string& said :
       {refused.error().message, stats_of(a.store).error, a.store.state_dump(), a.store.metrics_text()}) {
    EXPECT_THAT(said, Not(HasSubstr("a-wrong-secret")));
    EXPECT_THAT(said, Not(HasSubstr(password())));
  }
}

}  // namespace
}  // namespace cairn::postgres
