// SPDX-License-Identifier: Apache-2.0
//
// Every kind of row comes back as it was put, whichever way it went, and SQL sees what it says.
#include <bit>

#include "replication/postgres/read.h"
#include "tests/replication/postgres/sample_rows.h"

namespace cairn::postgres {
namespace {

// How a batch goes to the server.
class RoundTripTest : public PostgresTest, public ::testing::WithParamInterface<const char*> {
 protected:
  ApplyOptions options() const { return {.copy_rows_min = std::string_view(GetParam()) == "copied" ? 0u : 1'000'000u}; }

  template <class Row>
  static std::vector<Row> read(Connection& connection, const Uuid& store) {
    std::vector<Row> rows;
    const Status status = read_rows<Row>(connection, store, [&](const Row& row) {
      rows.push_back(row);
      return Status();
    });
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
    return rows;
  }
  template <class Row>
  static void put_each(Batch& batch, const std::vector<Row>& rows) {
    for (const Row& row : rows) CAIRN_ASSERT_OK(batch.put(row));
  }
  template <class Row>
  static void put_group(Batch& batch, const std::vector<Row>& rows) {
    CAIRN_ASSERT_OK(batch.put(rows.front().key, std::span(rows)));
  }
  static void put_everything(Batch& batch) {
    put_each(batch, experiments());
    put_each(batch, progress());
    put_each(batch, evaluations());
    put_each(batch, results());
    put_group(batch, metrics());
    put_each(batch, snapshots());
    put_group(batch, files());
    put_each(batch, refs());
    put_group(batch, tensors());
    put_each(batch, left_out());
  }
};
INSTANTIATE_TEST_SUITE_P(, RoundTripTest, ::testing::Values("copied", "row_by_row"),
                         [](const auto& way) { return std::string(way.param); });

bool same_bits(double a, double b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }
bool same(const EvaluationRow& a, const EvaluationRow& b) {
  const auto numbers = [](const auto& x, const auto& y) { return x.first == y.first && same_bits(x.second, y.second); };
  return a.key == b.key && same_bits(a.fitness, b.fitness) && a.generation == b.generation && a.worker == b.worker &&
         same_bits(a.duration_seconds, b.duration_seconds) && a.recorded_ns == b.recorded_ns &&
         std::ranges::equal(a.metrics, b.metrics, numbers) && a.architecture == b.architecture;
}
bool same(const MetricRow& a, const MetricRow& b) {
  return a.key == b.key && a.run == b.run && a.block == b.block && a.series == b.series && a.type == b.type &&
         a.steps == b.steps && a.times_ns == b.times_ns && std::ranges::equal(a.reals, b.reals, same_bits) &&
         a.integers == b.integers && a.texts == b.texts;
}

TEST_P(RoundTripTest, EveryKindOfRowComesBackInTwoStores) {
  const auto connection = connect_with_schema();
  for (const unsigned number : {1u, 2u}) {
    Batch batch(store_uuid(number), {}, place(10));
    put_everything(batch);
    const auto applied = apply(*connection, batch, options());
    CAIRN_ASSERT_OK(applied);
    EXPECT_EQ(*applied, Applied::now);
  }
  for (const unsigned number : {1u, 2u}) {
    const Uuid store = store_uuid(number);
    EXPECT_THAT(read<ExperimentRow>(*connection, store), ::testing::UnorderedElementsAreArray(experiments()));
    EXPECT_EQ(read<ProgressRow>(*connection, store), progress());
    EXPECT_THAT(read<ResultRow>(*connection, store), ::testing::UnorderedElementsAreArray(results()));
    EXPECT_EQ(read<SnapshotRow>(*connection, store), snapshots());
    EXPECT_EQ(read<FileRow>(*connection, store), files());
    EXPECT_EQ(read<RefRow>(*connection, store), refs());
    EXPECT_EQ(read<TensorRow>(*connection, store), tensors());
    EXPECT_EQ(read<LeftOutRow>(*connection, store), left_out());
    const auto evaluations_read = read<EvaluationRow>(*connection, store);
    ASSERT_EQ(evaluations_read.size(), evaluations().size());
    for (const EvaluationRow& wanted : evaluations()) {
      EXPECT_TRUE(std::ranges::any_of(evaluations_read, [&](const auto& row) { return same(row, wanted); }))
          << wanted.key.architecture_hash;
    }
    const auto metrics_read = read<MetricRow>(*connection, store);
    ASSERT_EQ(metrics_read.size(), metrics().size());
    for (std::size_t i = 0; i < metrics_read.size(); ++i) EXPECT_TRUE(same(metrics_read[i], metrics()[i])) << i;
    EXPECT_EQ(*read_place(*connection, store), place(10));
  }
  EXPECT_EQ(read_stores(*connection)->size(), 2u);
}

TEST_P(RoundTripTest, SqlSeesWhatTheRowsSay) {
  const auto connection = connect_with_schema();
  Batch batch(store_uuid(1), {}, place(10));
  put_everything(batch);
  CAIRN_ASSERT_OK(apply(*connection, batch, options()));
  const auto count = [&](const std::string& from) { return number(*connection, "SELECT count(*) FROM cairn." + from); };
  EXPECT_EQ(count("results WHERE json ->> 'text' = 'ключ'"), 1);
  EXPECT_EQ(count("results WHERE json IS NOT NULL"), 1) << "what jsonb cannot hold is null there";
  EXPECT_EQ(count("experiments WHERE search_space_json ->> 'ü' = '😀' AND config_json IS NULL"), 1);
  EXPECT_EQ(count("evaluations WHERE (metrics ->> '-0')::float8 = 0"), 1);
  EXPECT_EQ(count("evaluations WHERE architecture_hash::bytea = '\\x00ff5cc3bc0a01'"), 1);
  EXPECT_EQ(count("results WHERE id = sha256(key::bytea)"), 4);
  EXPECT_EQ(count("metric_points"), 6);
  EXPECT_EQ(count("metric_points WHERE series = 'epoch' AND whole = 9007199254740993 AND step = -1"), 1);
  EXPECT_EQ(count("metric_points WHERE series = 'loss' AND value = 'NaN'"), 1);
  EXPECT_EQ(count("runs WHERE run = 'run' AND series = 3 AND points = 6 AND max_step = 2"), 1);
  EXPECT_EQ(count("latest_checkpoints WHERE checkpoint = 'run' AND step = 400 AND tags ->> 'metric:loss' = '0.5'"), 1);
  EXPECT_EQ(count("tensor_locations WHERE id = 'x1' AND ref = 'checkpoints/run' AND path = 'state'"), 1);
  EXPECT_EQ(count("experiment_overview WHERE name = 'plain' AND best_fitness = 'Infinity' AND evaluations = 3"), 1);
  const auto best = connection->query("SELECT fitness FROM cairn.best_evaluations LIMIT 10");
  CAIRN_ASSERT_OK(best);
  std::vector<double> fitness;
  for (std::size_t i = 0; i < best->size(); ++i) fitness.push_back(best->row(i).float8());
  EXPECT_EQ(fitness, (std::vector<double>{kInfinity, 0.5, 0, -kInfinity})) << "and no NaN";
}

TEST_P(RoundTripTest, WhatIsSaidLaterTakesThePlaceOfWhatWasSaidBefore) {
  const auto connection = connect_with_schema();
  const Uuid store = store_uuid(1);
  Batch first(store, {}, place(10));
  put_everything(first);
  CAIRN_ASSERT_OK(apply(*connection, first, options()));
  Batch second(store, place(10), place(20));
  EvaluationRow changed = evaluation(1, 0.75);
  changed.metrics = {};
  CAIRN_ASSERT_OK(second.put(evaluation(1, 0.1)));
  CAIRN_ASSERT_OK(second.put(changed));  // the last counts
  CAIRN_ASSERT_OK(second.put(evaluation(6)));
  CAIRN_ASSERT_OK(second.remove(evaluation(6).key));
  CAIRN_ASSERT_OK(second.remove(evaluation(4).key));
  CAIRN_ASSERT_OK(second.remove(results()[0].key));
  CAIRN_ASSERT_OK(second.remove(evaluation(1000).key));  // which nobody has
  MetricRow joined = metric("run", "0", "loss");
  joined.steps = {1};
  joined.times_ns = {1};
  joined.reals = {1};
  CAIRN_ASSERT_OK(second.put(joined.key, std::span<const MetricRow>(&joined, 1)));
  second.set_store_time(77);
  CAIRN_ASSERT_OK(apply(*connection, second, options()));
  std::vector<std::string> hashes;
  for (const EvaluationRow& row : read<EvaluationRow>(*connection, store)) {
    hashes.push_back(row.key.architecture_hash);
    if (row.key == changed.key) {
      EXPECT_TRUE(same(row, changed));
    }
  }
  EXPECT_THAT(hashes, ::testing::UnorderedElementsAre("blake3:1", kAnyBytes, "blake3:3", "blake3:5"));
  EXPECT_EQ(read<ResultRow>(*connection, store).size(), results().size() - 1);
  const auto metrics_read = read<MetricRow>(*connection, store);
  ASSERT_EQ(metrics_read.size(), 1u) << "the rows of a group go together";
  EXPECT_TRUE(same(metrics_read[0], joined));
  EXPECT_EQ(number(*connection, "SELECT store_time_ns FROM cairn.stores"), 77);
}

TEST_P(RoundTripTest, WhatNoNameLeadsToAnyMoreGoesWithTheName) {
  const auto connection = connect_with_schema();
  for (const unsigned number : {1u, 2u}) {
    Batch batch(store_uuid(number), {}, place(10));
    put_everything(batch);
    CAIRN_ASSERT_OK(apply(*connection, batch, options()));
  }
  Batch removal(store_uuid(1), place(10), place(20));
  CAIRN_ASSERT_OK(removal.remove(refs()[0].key));
  CAIRN_ASSERT_OK(apply(*connection, removal, options()));
  EXPECT_EQ(read<SnapshotRow>(*connection, store_uuid(1)), std::vector{snapshots()[1]});
  EXPECT_TRUE(read<FileRow>(*connection, store_uuid(1)).empty());
  EXPECT_TRUE(read<TensorRow>(*connection, store_uuid(1)).empty());
  EXPECT_EQ(read<TensorRow>(*connection, store_uuid(2)), tensors()) << "another store's is its own";
}

TEST_P(RoundTripTest, ManyRowsAreReadInTheOrderOfTheirKeys) {
  const auto connection = connect_with_schema();
  Batch batch(store_uuid(1), {}, place(10));
  for (std::uint64_t i = 0; i < 6'000; ++i) CAIRN_ASSERT_OK(batch.put(evaluation(i)));
  EXPECT_EQ(batch.rows(), 6'000u);
  CAIRN_ASSERT_OK(apply(*connection, batch, options()));
  const auto rows = read<EvaluationRow>(*connection, store_uuid(1));
  ASSERT_EQ(rows.size(), 6'000u);
  EXPECT_TRUE(std::ranges::is_sorted(rows, {}, [](const EvaluationRow& row) { return row.key.architecture_hash; }));
}

class RowsTest : public PostgresTest {};

TEST_P(RoundTripTest, AWriterNeedsNoMoreRightsThanTheManualSays) {
  const auto connection = connect_with_schema();
  CAIRN_ASSERT_OK(connection->run("CREATE ROLE cairn_writer; GRANT TEMPORARY ON DATABASE " + database_ +
                                  " TO cairn_writer; GRANT USAGE ON SCHEMA cairn TO cairn_writer;"
                                  "REVOKE TEMPORARY ON DATABASE " +
                                  database_ +
                                  " FROM PUBLIC;"
                                  "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA cairn TO cairn_writer;"
                                  "REVOKE INSERT, UPDATE, DELETE ON cairn.schema_versions FROM cairn_writer;"
                                  "SET ROLE cairn_writer"));
  CAIRN_ASSERT_OK(require_schema(*connection));
  for (std::uint64_t i = 0; i < 2; ++i) {
    Batch batch(store_uuid(1), i == 0 ? StorePlace() : place(i), place(i + 1));
    put_everything(batch);
    CAIRN_ASSERT_OK(batch.remove(evaluation(7).key));
    CAIRN_ASSERT_OK(apply(*connection, batch, options()));
  }
  EXPECT_FALSE(connection->run("DROP TABLE cairn.refs").ok());
  CAIRN_ASSERT_OK(connection->run("RESET ROLE; DROP OWNED BY cairn_writer; DROP ROLE cairn_writer"));
}

TEST_F(RowsTest, AKeyThatNoIndexTakesIsRefusedBeforeItIsSent) {
  Batch batch(store_uuid(1), {}, place(10));
  RefRow row = refs()[0];
  row.key.name = std::string(3'000, 'n');
  const Status refused = batch.put(row);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(batch.rows(), 0u);
}

TEST_F(RowsTest, AResultOfAnotherStoreIsFoundUnlessItsTimeIsOver) {
  const auto connection = connect_with_schema();
  ResultRow row = results()[0];
  constexpr std::uint64_t kHour = 3'600'000'000'000;
  row.expires_store_ns = kHour;
  for (const unsigned number : {1u, 2u, 3u}) {
    Batch batch(store_uuid(number), {}, place(10));
    row.created_ns = number;
    CAIRN_ASSERT_OK(batch.put(row));
    // Of the third the time is over.
    batch.set_store_time(number == 3 ? kHour : 1'000);
    CAIRN_ASSERT_OK(apply(*connection, batch));
  }
  const auto found = find_result(*connection, row.key.id, store_uuid(9));
  CAIRN_ASSERT_OK(found);
  ASSERT_TRUE(*found);
  EXPECT_EQ((*found)->store, store_uuid(2));
  EXPECT_EQ((*found)->row.bytes, row.bytes);
  EXPECT_LE((*found)->left_ns, kHour - 1'000);
  EXPECT_GT((*found)->left_ns, kHour / 2);
  EXPECT_EQ((*find_result(*connection, row.key.id, store_uuid(2)))->store, store_uuid(1));
  EXPECT_FALSE(*find_result(*connection, entry_id("nobody's"), store_uuid(9)));
  // A store that has nothing to say does not make its time stand still, and one that has said no time ends nothing.
  CAIRN_ASSERT_OK(connection->run("UPDATE cairn.stores SET updated = now() - interval '2 hours'"));
  EXPECT_FALSE(*find_result(*connection, row.key.id, store_uuid(9)));
  EXPECT_GT(**read_store_time(*connection, store_uuid(1)), kHour);
  CAIRN_ASSERT_OK(connection->run("UPDATE cairn.stores SET updated = now(), store_time_ns = NULL"));
  EXPECT_FALSE(*find_result(*connection, row.key.id, store_uuid(9)));
  EXPECT_FALSE(*read_store_time(*connection, store_uuid(1)));
}

}  // namespace
}  // namespace cairn::postgres
