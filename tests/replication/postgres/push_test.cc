// SPDX-License-Identifier: Apache-2.0
//
// Real stores on their way into a database: all that they say, what changes, and what fails on the way.
#include "api/src/postgres_push.h"

#include <random>
#include <thread>

#include "cairn/experiments.h"
#include "cairn/metrics.h"
#include "engine/base/bytes.h"
#include "engine/results/metric_block.h"
#include "engine/results/metric_blocks.h"
#include "replication/postgres/read.h"
#include "tests/replication/postgres/message_proxy.h"
#include "tests/replication/postgres/stores_fixture.h"

namespace cairn::postgres {
namespace {

using PushTest = StoresTest;

TEST_F(PushTest, EverythingThatAStoreSaysIsARow) {
  OpenedStore a = stores_.open("a");
  record(a.store, "search", 0, 30);
  stores_.add(a.store, "model", 2);
  stores_.add(a.store, "other", 3);
  save(a.store, 7);
  stores_.put_result(a.store, "small", R"({"x": 1})");
  stores_.put_result(a.store, "large", "\"" + std::string(2'000'000, 'a') + "\"");
  log(a.store, "training", 0, 2'000);
  push_well(a);

  const auto connection = connect();
  const auto count = [&](const std::string& from) { return number(*connection, "SELECT count(*) FROM cairn." + from); };
  EXPECT_EQ(count("experiment_overview WHERE name = 'search' AND status = 'running' AND evaluations = 30 AND "
                  "optimizer = 'adam' AND config_json ->> 'lr' = '0.1'"),
            1);
  EXPECT_EQ(count("evaluations WHERE fitness = 'NaN'"), 6);
  const auto best = a.store.experiments().evaluations("search", {.limit = 24});
  CAIRN_ASSERT_OK(best);
  const auto rows =
      connection->query("SELECT architecture_hash, (metrics ->> 'loss')::float8 FROM cairn.best_evaluations");
  CAIRN_ASSERT_OK(rows);
  ASSERT_EQ(rows->size(), best->evaluations.size());
  for (std::size_t i = 0; i < rows->size(); ++i) {
    CellReader row = rows->row(i);
    EXPECT_EQ(row.text(), best->evaluations[i].hash);
    EXPECT_EQ(row.float8(), best->evaluations[i].metrics.at("loss"));
  }
  EXPECT_EQ(count("results WHERE namespace = 'eval' AND key = 'small' AND (json ->> 'x')::int = 1"), 1);
  EXPECT_EQ(count("results WHERE key = 'large' AND length(bytes) = 2000002"), 1);
  EXPECT_EQ(count("results r JOIN cairn.stores s USING (store) WHERE r.expires_store_ns > s.store_time_ns"), 2);
  EXPECT_EQ(
      count(
          "metric_points WHERE run = 'training' AND series = 'epoch' AND whole = step / 10 AND time_ns = 1000 * step"),
      2'000);
  const auto curve = a.store.metrics()->query("training", "loss");
  CAIRN_ASSERT_OK(curve);
  const auto points =
      connection->query("SELECT step, value FROM cairn.metric_points WHERE series = 'loss' ORDER BY step");
  CAIRN_ASSERT_OK(points);
  ASSERT_EQ(points->size(), curve->points.size());
  for (std::size_t i = 0; i < points->size(); ++i) {
    CellReader row = points->row(i);
    EXPECT_EQ(row.int8(), curve->points[i].step);
    EXPECT_EQ(row.float8(), curve->points[i].value);
  }
  EXPECT_EQ(count("latest_checkpoints WHERE checkpoint = 'run' AND step = 7"), 1);
  EXPECT_EQ(count("tensors t JOIN cairn.files f ON f.id = t.model WHERE f.kind = 'state' AND t.name = 'w' AND "
                  "t.dtype = 'bf16' AND t.shape = '{10,100}'"),
            1);
  EXPECT_EQ(number(*connection, "SELECT count(DISTINCT ref) FROM cairn.tensor_locations WHERE tensor = 'shared'"), 2)
      << "which models contain this tensor";
  EXPECT_EQ(count("tensors WHERE dtype IS NULL AND name = 'optimizer'"), 1);
}

TEST_F(PushTest, WhatChangesAndIsRemovedFollowsAndNothingNewIsNothingWritten) {
  OpenedStore a = stores_.open("a");
  record(a.store, "search", 0, 30);
  record(a.store, "again", 0, 30);
  for (std::uint64_t seed = 2; seed < 5; ++seed) stores_.add(a.store, "model", seed);
  for (const char* const key : {"kept", "changed", "gone"}) stores_.put_result(a.store, key, "1");
  log(a.store, "training", 0, 100);
  log(a.store, "removed", 0, 100);
  EXPECT_GT(push_well(a).rows, 60u);
  EXPECT_EQ(push_well(a).batches, 0u);
  expect_as_fresh(a);

  // An experiment that has the name of one before has nothing of it.
  CAIRN_ASSERT_OK(a.store.experiments().remove("again"));
  record(a.store, "again", 100, 5);
  CAIRN_ASSERT_OK(a.store.experiments().set_status("search", ExperimentStatus::completed));
  record(a.store, "search", 20, 20);
  CAIRN_ASSERT_OK(a.store.archive().remove("model@2"));
  CAIRN_ASSERT_OK(a.store.results("eval").remove("gone"));
  stores_.put_result(a.store, "changed", "2");
  for (int i = 0; i < 30; ++i) log(a.store, "training", 100 + i, 1);  // small blocks that are joined
  push_well(a);
  expect_as_fresh(a);
  EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.metric_points WHERE run = 'training' AND series = 'loss'"),
            130);
}

TEST_F(PushTest, WhatIsRemovedIsGoneThereAlsoWhenTheLogHasForgottenIt) {
  OpenedStore a = stores_.open("a");
  for (std::uint64_t seed = 2; seed < 12; ++seed) stores_.add(a.store, "model", seed);
  stores_.put_result(a.store, "kept", "1");
  stores_.put_result(a.store, "gone", "2");
  record(a.store, "gone", 0, 10);
  record(a.store, "kept", 0, 10);
  push_well(a);
  const mirror::Cursor cursor = read_place(*connect(), a.impl->header().uuid)->cursor;
  for (int version = 1; version < 10; ++version) {
    CAIRN_ASSERT_OK(a.store.archive().remove("model@" + std::to_string(version)));
  }
  CAIRN_ASSERT_OK(a.store.results("eval").remove("gone"));
  CAIRN_ASSERT_OK(a.store.experiments().remove("gone"));
  forget_removals(a, cursor);
  EXPECT_GT(push_well(a, {.batch_bytes = 200}).batches, 5u) << "removals are bounded as well";
  expect_as_fresh(a);
  EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.experiments"), 1);
}

TEST_F(PushTest, WhatIsRemovedAndForgottenWhileAPushRunsIsGone) {
  OpenedStore a = stores_.open("a");
  for (const char* const key : {"kept", "first", "second"}) stores_.put_result(a.store, key, "1");
  push_well(a);
  const mirror::Cursor cursor = read_place(*connect(), a.impl->header().uuid)->cursor;
  CAIRN_ASSERT_OK(a.store.results("eval").remove("first"));
  forget_removals(a, cursor);
  for (int i = 0; i < 40; ++i) stores_.put_result(a.store, "new " + std::to_string(i), std::string(200, '1'));
  const auto remove_second = [&](const PostgresPushReport& so_far) -> Status {
    if (so_far.batches > 1) return {};
    EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.results WHERE key <> 'kept' AND key NOT LIKE 'new %'"), 1);
    EXPECT_TRUE(a.store.results("eval").remove("second").ok());
    forget_removals(a, cursor);
    return {};
  };
  EXPECT_GT(push_well(a, {.statement_bytes = 1'000, .progress = remove_second}).batches, 1u);
  EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.results"), 41);
  expect_as_fresh(a);
}

TEST_F(PushTest, AFirstPushThatWasCutIsNotTakenForWhatTheStoreSays) {
  OpenedStore a = stores_.open("a");
  for (std::uint64_t seed = 2; seed < 8; ++seed) stores_.add(a.store, "model", seed);
  stores_.put_result(a.store, "gone", "1");
  const auto cut = push(a, {.batch_bytes = 500, .progress = [](const PostgresPushReport& so_far) -> Status {
                              if (so_far.batches < 6) return {};
                              return mirror::make_error(ErrorCode::cancelled, "cut");
                            }});
  ASSERT_FALSE(cut.ok());
  ASSERT_EQ(read_place(*connect(), a.impl->header().uuid)->cursor, mirror::Cursor());
  ASSERT_GT(number(*connect(), "SELECT count(*) FROM cairn.refs"), 2);
  CAIRN_ASSERT_OK(a.store.results("eval").remove("gone"));
  for (int version = 1; version < 6; ++version) {
    CAIRN_ASSERT_OK(a.store.archive().remove("model@" + std::to_string(version)));
  }
  forget_removals(a, {});
  push_well(a);
  expect_as_fresh(a);
}

TEST_F(PushTest, WhatIsDamagedIsNotedAndMirroredOnceItIsWhole) {
  OpenedStore a = stores_.open("a");
  stores_.put_result(a.store, "large", "\"" + std::string(2'000'000, 'b') + "\"");
  stores_.put_result(a.store, "small", "1");
  const RecordLocation at = content_of_a_result(a);
  const std::string segment = "a/log/0000000" + std::to_string(at.segment) + ".seg";
  CAIRN_ASSERT_OK(stores_.fs_.flip_bit(segment, at.offset + at.stored_bytes / 2, 3));
  for (int i = 0; i < 2; ++i) {
    const auto report = push(a);
    CAIRN_ASSERT_OK(report);
    EXPECT_EQ(report->left_out.size(), 1u) << "it is tried again, and is still damaged";
    EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.left_out"), 1);
    EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.results"), 1);
  }
  CAIRN_ASSERT_OK(stores_.fs_.flip_bit(segment, at.offset + at.stored_bytes / 2, 3));
  push_well(a);
  expect_as_fresh(a);
  EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.left_out"), 0);
  EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.results"), 2);
}

TEST_F(PushTest, MetricsThatGrowBeyondMeasureAreRefused) {
  const OpenedStore a = stores_.open("a");
  PostgresRows rows(*a.impl);
  for (const std::size_t points : {1'000u, 70'000u}) {
    MetricRows block;
    const std::size_t column = block.column("text", MetricKind::text);
    for (std::size_t i = 0; i < points; ++i) {
      block.begin_row(static_cast<std::int64_t>(i), 0);
      block.add_text(column, std::string(kMetricTextBytesMax, 'x'));
    }
    const auto encoded = encode_metric_block(block);
    CAIRN_ASSERT_OK(encoded);
    ASSERT_LT(encoded->size(), 1'000'000u);
    StoredEntry entry;
    entry.key = metric_block_key("run", 1);
    entry.version = 1;
    entry.value.assign(reinterpret_cast<const char*>(encoded->data()), encoded->size());
    Batch batch(a.impl->header().uuid, {}, {});
    const Status said = rows.add(statement_of(entry), batch);
    EXPECT_EQ(said.ok(), points == 1'000u);
    if (said.ok()) continue;
    EXPECT_EQ(said.error().code, ErrorCode::invalid_argument) << said.error().message;
    EXPECT_EQ(batch.rows(), 0u);
  }
}

TEST_F(PushTest, WhatWasSaidBeforeSomethingDamagedIsGone) {
  OpenedStore a = stores_.open("a");
  stores_.put_result(a.store, "x", "1");
  stores_.add(a.store, "model", 2);
  push_well(a);
  stores_.put_result(a.store, "x", "\"" + std::string(2'000'000, 'b') + "\"");
  const RecordLocation at = content_of_a_result(a);
  const std::string segment = "a/log/0000000" + std::to_string(at.segment) + ".seg";
  CAIRN_ASSERT_OK(stores_.fs_.flip_bit(segment, at.offset + at.stored_bytes / 2, 3));
  const auto report = push(a);
  CAIRN_ASSERT_OK(report);
  EXPECT_EQ(report->left_out.size(), 1u);
  EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.results"), 0);
  expect_as_fresh(a);
  CAIRN_ASSERT_OK(stores_.fs_.flip_bit(segment, at.offset + at.stored_bytes / 2, 3));
  push_well(a);
  EXPECT_EQ(number(*connect(), "SELECT count(*) FROM cairn.results WHERE length(bytes) = 2000002"), 1);
}

TEST_F(PushTest, AnotherHistoryOfTheSameStoreIsAConflict) {
  {
    OpenedStore a = stores_.open("a");
    stores_.put_result(a.store, "x", "1");
    push_well(a);
    CAIRN_ASSERT_OK(connect()->run("UPDATE cairn.stores SET mark = mark + 1"));
    stores_.put_result(a.store, "x", "2");
    const auto refused = push(a);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::conflict);
    CAIRN_ASSERT_OK(connect()->run("UPDATE cairn.stores SET log_offset = 1000000000"));
    EXPECT_EQ(push(a).error().code, ErrorCode::conflict) << "the log ends before";
  }
}

TEST_F(PushTest, WritingInSmallPartsComesToTheSame) {
  OpenedStore a = stores_.open("a");
  record(a.store, "search", 0, 40);
  for (std::uint64_t seed = 2; seed < 5; ++seed) stores_.add(a.store, "model", seed);
  log(a.store, "training", 0, 500);
  const auto report = push_well(a, {.statement_bytes = 1'000, .batch_bytes = 500, .apply = {.copy_rows_min = 3}});
  EXPECT_GT(report.batches, 20u);
  expect_as_fresh(a);
}

TEST_F(PushTest, OnlyOnePushesAStoreAtATime) {
  OpenedStore a = stores_.open("a");
  for (std::uint64_t seed = 2; seed < 5; ++seed) stores_.add(a.store, "model", seed);
  std::size_t refused = 0;
  const auto second = [&](const PostgresPushReport&) -> Status {
    const auto pushed = push(a, {.retry = {.attempts_max = 1}});
    if (!pushed.ok() && pushed.error().code == ErrorCode::conflict && pushed.error().retryable) ++refused;
    return {};
  };
  // In parts, between which the cursor stands.
  const auto report = push_well(a, {.batch_bytes = 500, .progress = second});
  EXPECT_GT(report.batches, 3u);
  EXPECT_EQ(refused, report.batches);
  expect_as_fresh(a);
  EXPECT_EQ(push_well(a).batches, 0u) << "what it held ends with it";
}

TEST_F(PushTest, TwoStoresAreMirroredToOneDatabaseAtOnce) {
  OpenedStore stores[] = {stores_.open("a"), stores_.open("b")};
  std::vector<std::thread> threads;
  for (OpenedStore& store : stores) {
    record(store.store, "search", 0, 200);
    threads.emplace_back([&] { push_well(store, {.statement_bytes = 2'000}); });
  }
  for (std::thread& thread : threads) thread.join();
  const auto connection = connect();
  EXPECT_EQ(number(*connection, "SELECT count(*) FROM cairn.evaluations"), 400);
  EXPECT_EQ(number(*connection, "SELECT count(*) FROM cairn.stores"), 2);
}

TEST_F(PushTest, APushWhoseConnectionsAreCutAtRandomCatchesUp) {
  const std::uint64_t seed =
      std::getenv("CAIRN_TEST_SEED") == nullptr ? 1 : std::stoull(std::getenv("CAIRN_TEST_SEED"));
  RecordProperty("seed", static_cast<int>(seed));
  std::mt19937_64 random(seed);
  OpenedStore a = stores_.open("a");
  std::atomic<std::size_t> cut_at = 0;
  MessageProxy proxy(std::stoi(port()), [&](std::size_t message) {
    return message == cut_at ? MessageProxy::Do::cut : MessageProxy::Do::pass;
  });
  RetryClock clock = system_retry_clock();
  // Each attempt is cut elsewhere, and later: one gets through in the end.
  clock.sleep = [&](std::chrono::milliseconds) {
    cut_at = cut_at + random() % 60;
    return true;
  };
  for (std::uint64_t round = 0; round < 6; ++round) {
    record(a.store, "search", round * 20, 25);
    stores_.put_result(a.store, "key " + std::to_string(round % 3), std::to_string(round));
    log(a.store, "training", static_cast<std::int64_t>(round) * 50, 50);
    if (round % 2 == 1) save(a.store, round);
    cut_at = 30 + random() % 40;
    const auto report = push(a,
                             {.statement_bytes = 2'000,
                              .retry = {.attempts_max = 1'000, .time_max = std::chrono::minutes(5)},
                              .clock = clock},
                             proxy.port());
    ASSERT_TRUE(report.ok()) << "seed " << seed << ": " << report.error().message;
    expect_as_fresh(a);
  }
}

}  // namespace
}  // namespace cairn::postgres
