// SPDX-License-Identifier: Apache-2.0
//
// A result that is not here comes from another store's in the database: once, verified, kept for what is left of its
// time; and whoever asks never has an error because the database is away.
#include <thread>

#include "api/src/mirror_places.h"
#include "api/src/postgres_finder.h"
#include "api/src/read_through.h"
#include "replication/postgres/read.h"
#include "tests/replication/postgres/message_proxy.h"
#include "tests/replication/postgres/stores_fixture.h"

namespace cairn::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ResultReadThroughTest : public StoresTest {
 protected:
  // A store whose results are read through the database.
  OpenedStore open_through(const std::string& path, const std::string& at_port = port(),
                           milliseconds timeout = seconds(60)) {
    OpenedStore store = stores_.open(path);
    const auto now = [this] { return ReadThrough::Clock::time_point(seconds(now_s_.load())); };
    auto finder = std::make_unique<PostgresFinder>(
        Address{
            .text = Secret(address_of(database_, at_port)), .connect_timeout = timeout, .statement_timeout = timeout},
        store.impl->header().uuid);
    store.impl->read_through_from(std::make_unique<ReadThrough>(
        *store.impl, nullptr, now, std::make_unique<ResultReadThrough>(*store.impl, std::move(finder), now)));
    return store;
  }
  static ResultReadThroughStats stats(const OpenedStore& store) {
    return store.impl->read_through()->results()->stats();
  }
  static std::string text_of(OpenedStore& store, const std::string& key) {
    const auto value = store.store.results("eval").get(key);
    EXPECT_TRUE(value.ok()) << (value.ok() ? "" : value.error().message);
    return value.ok() && *value ? std::string((*value)->text()) : "nothing";
  }
  std::atomic<int> now_s_ = 1'000;
};

TEST_F(ResultReadThroughTest, AResultOfAnotherStoreComesOnceAndIsKept) {
  OpenedStore a = stores_.open("a");
  stores_.put_result(a.store, "x", R"({"x": 1})");
  stores_.put_result(a.store, "large", "\"" + std::string(2'000'000, 'a') + "\"");
  CAIRN_ASSERT_OK(a.store.results("eval").put("stays", ResultValue::json("2"), {.cost = seconds(3)}));
  push_well(a);
  {
    OpenedStore b = open_through("b");
    EXPECT_FALSE(*b.store.results("eval").has("x")) << "that tells of what is here";
    EXPECT_EQ(text_of(b, "x"), R"({"x": 1})");
    EXPECT_EQ(text_of(b, "x"), R"({"x": 1})");
    EXPECT_EQ(stats(b).asked, 1u);
    const auto many = b.store.results("eval").get_many({"large", "stays", "x", "none"});
    CAIRN_ASSERT_OK(many);
    EXPECT_EQ(many->size(), 3u);
    EXPECT_EQ(many->at("large").bytes.size(), 2'000'002u);
    EXPECT_EQ(stats(b).asked, 4u);
    EXPECT_EQ(stats(b).brought, 3u);
    EXPECT_EQ(stats(b).failures, 0u);
    const auto there = a.store.results("eval").info("x"), here = b.store.results("eval").info("x");
    ASSERT_TRUE((*here)->time_left.has_value());
    EXPECT_LE(*(*here)->time_left, std::chrono::hours(1));
    EXPECT_GT(*(*here)->time_left, std::chrono::minutes(50));
    EXPECT_EQ((*here)->created_ns, (*there)->created_ns);
    const auto stays = b.store.results("eval").info("stays");
    EXPECT_FALSE((*stays)->time_left.has_value());
    EXPECT_EQ((*stays)->cost, seconds(3));
    EXPECT_THAT(b.store.metrics_text(), ::testing::HasSubstr("cairn_results_brought_total 3\n"));
  }
  EXPECT_EQ(text_of(*std::make_unique<OpenedStore>(stores_.open("b")), "x"), R"({"x": 1})") << "it is on the disk";
}

TEST_F(ResultReadThroughTest, WhatNobodyHasIsNotAskedForAgainForAWhile) {
  OpenedStore a = stores_.open("a"), b = open_through("b");
  stores_.put_result(a.store, "other", "1");
  push_well(a);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(text_of(b, "x"), "nothing");
  EXPECT_EQ(stats(b).asked, 1u);
  stores_.put_result(a.store, "x", "1");
  push_well(a);
  EXPECT_EQ(text_of(b, "x"), "nothing");
  EXPECT_EQ(text_of(b, "other"), "1");
  now_s_ += 11;
  EXPECT_EQ(text_of(b, "x"), "1");
  EXPECT_EQ(stats(b).asked, 3u);
}

TEST_F(ResultReadThroughTest, WhatIsOverOrWasRemovedHereOrCannotBeReadHereIsNotBrought) {
  OpenedStore a = stores_.open("a"), b = open_through("b");
  CAIRN_ASSERT_OK(a.store.results("eval").register_serializer("ours"));
  CAIRN_ASSERT_OK(a.store.results("eval").put("ours", {.serializer = "ours"}));
  for (const char* const key : {"over", "damaged", "swapped"}) stores_.put_result(a.store, key, "1");
  stores_.put_result(b.store, "removed", "1");
  push_well(a);
  push_well(b);
  CAIRN_ASSERT_OK(b.store.results("eval").remove("removed"));
  CAIRN_ASSERT_OK(
      connect()->run("UPDATE cairn.results SET expires_store_ns = (SELECT max(store_time_ns) FROM cairn.stores) "
                     "WHERE key = 'over';"
                     "UPDATE cairn.results SET bytes = '{' WHERE key = 'damaged'"));
  for (const char* const key : {"ours", "over", "removed", "damaged"}) EXPECT_EQ(text_of(b, key), "nothing") << key;
  EXPECT_EQ(stats(b).asked, 4u);
  EXPECT_EQ(stats(b).failures, 0u);
  CAIRN_ASSERT_OK(connect()->run("UPDATE cairn.results SET key = 'elsewhere' WHERE key = 'swapped'"));
  EXPECT_EQ(text_of(b, "swapped"), "nothing");
  EXPECT_EQ(stats(b).failures, 1u);
  EXPECT_THAT(stats(b).error, ::testing::HasSubstr("another result"));
}

TEST_F(ResultReadThroughTest, ADatabaseThatIsAwayIsAMissAndIsLeftAloneForAWhile) {
  OpenedStore a = stores_.open("a");
  stores_.put_result(a.store, "x", "1");
  push_well(a);
  std::atomic<bool> away = true;
  MessageProxy proxy(std::stoi(port()),
                     [&](std::size_t) { return away ? MessageProxy::Do::cut : MessageProxy::Do::pass; });
  OpenedStore b = open_through("b", proxy.port());
  for (const char* const key : {"x", "y", "z"}) EXPECT_EQ(text_of(b, key), "nothing");
  EXPECT_EQ(stats(b).asked, 1u);
  EXPECT_EQ(stats(b).failures, 1u);
  EXPECT_THAT(b.store.metrics_text(), ::testing::HasSubstr("cairn_results_ask_failing 1\n"));
  stores_.put_result(b.store, "here", "2");
  EXPECT_EQ(text_of(b, "here"), "2");
  away = false;
  EXPECT_EQ(text_of(b, "x"), "nothing");
  now_s_ += 11;
  EXPECT_EQ(text_of(b, "x"), "1");
  EXPECT_EQ(stats(b).error, "");
  EXPECT_THAT(b.store.metrics_text(), ::testing::HasSubstr("cairn_results_ask_failing 0\n"));
}

TEST_F(ResultReadThroughTest, AResultThatIsNoneKeepsNoOthersAway) {
  OpenedStore a = stores_.open("a");
  stores_.put_result(a.store, "x", "1");
  stores_.put_result(a.store, "y", "2");
  push_well(a);
  CAIRN_ASSERT_OK(connect()->run("UPDATE cairn.results SET key = 'another' WHERE key = 'x'"));
  OpenedStore b = open_through("b");
  EXPECT_EQ(text_of(b, "x"), "nothing");
  EXPECT_EQ(text_of(b, "y"), "2");
  EXPECT_EQ(text_of(b, "x"), "nothing");
  EXPECT_EQ(stats(b).asked, 2u) << "it is not asked for again for a while";
  EXPECT_EQ(stats(b).failures, 1u);
  EXPECT_EQ(stats(b).brought, 1u);
}

TEST_F(ResultReadThroughTest, ADatabaseThatHangsIsAMiss) {
  MessageProxy proxy(std::stoi(port()), [](std::size_t) { return MessageProxy::Do::hang; });
  OpenedStore b = open_through("b", proxy.port(), milliseconds(50));
  EXPECT_EQ(text_of(b, "x"), "nothing");
  EXPECT_EQ(text_of(b, "y"), "nothing");
  EXPECT_EQ(stats(b).asked, 1u);
  EXPECT_EQ(stats(b).failures, 1u);
}

TEST_F(ResultReadThroughTest, AConnectionThatTheServerEndedIsMadeAnew) {
  OpenedStore a = stores_.open("a"), b = open_through("b");
  stores_.put_result(a.store, "x", "1");
  stores_.put_result(a.store, "y", "2");
  push_well(a);
  EXPECT_EQ(text_of(b, "x"), "1");
  EXPECT_EQ(number(*connect(),
                   "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                   "current_database() AND pid <> pg_backend_pid()"),
            1)
      << "one connection, which stays open";
  EXPECT_EQ(text_of(b, "y"), "2");
  EXPECT_EQ(stats(b).failures, 0u);
}

TEST_F(ResultReadThroughTest, ManyThreadsAskAtOnce) {
  OpenedStore a = stores_.open("a"), b = open_through("b");
  for (int i = 0; i < 40; ++i) stores_.put_result(a.store, std::to_string(i), std::to_string(i));
  push_well(a);
  std::vector<std::thread> threads;
  std::atomic<int> found = 0;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 40; ++i) found += text_of(b, std::to_string(i)) == std::to_string(i) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found, 160);
  EXPECT_EQ(stats(b).failures, 0u) << stats(b).error;
  EXPECT_EQ(b.store.results("eval").list()->results.size(), 40u);
}

TEST_F(ResultReadThroughTest, AStoreIsReadThroughOneMirrorOfEachKind) {
  {
    OpenedStore b = stores_.open("b");
    const std::string url = "postgresql://postgres@127.0.0.1:" + port() + "/" + database_;
    CAIRN_ASSERT_OK(write_mirror_place(*b.impl, "db", {.url = url}));
    CAIRN_ASSERT_OK(write_mirror_place(*b.impl, "db2", {.url = url}));
    CAIRN_ASSERT_OK(write_mirror_place(*b.impl, "broken", {.url = "postgresql://[" + password()}));
  }
  const auto open = [&](const std::string& mirrors) {
    StoreOptions options{.threads = 1};
    options.read_through = mirrors;
    return StoreImpl::open(stores_.fs_, "b", options, {});
  };
  EXPECT_EQ(open("db,db2").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(open("db,none").error().code, ErrorCode::not_found);
  EXPECT_EQ(open("db,").error().code, ErrorCode::invalid_argument);
  const auto broken = open("broken");
  ASSERT_FALSE(broken.ok());
  EXPECT_THAT(broken.error().message, ::testing::Not(::testing::HasSubstr(password())));
  const auto opened = open("db");
  CAIRN_ASSERT_OK(opened);
  EXPECT_NE((*opened)->read_through()->results(), nullptr);
  EXPECT_FALSE(*(*opened)->read_through()->bring_name("model")) << "there is no mirror of content";
}

}  // namespace
}  // namespace cairn::postgres
