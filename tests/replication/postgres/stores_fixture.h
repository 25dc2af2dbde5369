// SPDX-License-Identifier: Apache-2.0
//
// Real stores beside a database of their own, and what they are filled with.
#pragma once

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "api/src/postgres_push.h"
#include "cairn/experiments.h"
#include "cairn/metrics.h"
#include "engine/base/bytes.h"
#include "tests/replication/postgres/fixture.h"
#include "tests/replication/postgres/table_dump.h"
#include "tests/store/mirror_fixture.h"

namespace cairn::postgres {

using cairn::testing::OpenedStore;

// The verbs of the mirror's tests.
struct Stores final : cairn::testing::MirrorTest {
  void TestBody() override {}
  using MirrorTest::add;
  using MirrorTest::block_of;
  using MirrorTest::fs_;
  using MirrorTest::open;
  using MirrorTest::put_result;
};

class StoresTest : public PostgresTest {
 protected:
  Result<PostgresPushReport> push(const OpenedStore& store, PostgresPushOptions options = {},
                                  const std::string& at_port = port()) {
    MirrorSource source(*store.impl);
    PostgresRows rows(*store.impl);
    PostgresPusher pusher(source, rows, {.text = Secret(address_of(database_, at_port))}, std::move(options));
    return pusher.push();
  }
  PostgresPushReport push_well(const OpenedStore& store, PostgresPushOptions options = {}) {
    const auto report = push(store, std::move(options));
    EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
    if (!report.ok()) return {};
    EXPECT_TRUE(report->left_out.empty()) << report->left_out.front();
    return *report;
  }

  // What the database would have if the store had never been pushed there before.
  std::multiset<std::string> dump_of_fresh(const OpenedStore& store) {
    const std::string before = database_;
    database_ = before + "_fresh";
    {
      auto server = Connection::open({.text = Secret(address_of("postgres"))});
      EXPECT_TRUE((*server)->run("DROP DATABASE IF EXISTS " + database_).ok());
      EXPECT_TRUE((*server)->run("CREATE DATABASE " + database_).ok());
    }
    static_cast<void>(push(store));
    auto all = dump(*connect());
    database_ = before;
    return all;
  }
  void expect_as_fresh(const OpenedStore& store) { expect_same(dump(*connect()), dump_of_fresh(store)); }

  static void record(Store& store, const std::string& experiment, std::uint64_t from, std::uint64_t count) {
    CAIRN_ASSERT_OK(store.experiments().create({.name = experiment, .config = R"({"lr": 0.1})", .optimizer = "adam"}));
    std::vector<Evaluation> evaluations;
    for (std::uint64_t i = from; i < from + count; ++i) {
      Evaluation one;
      one.architecture = R"({"layers": )" + std::to_string(i) + "}";
      one.fitness = i % 5 == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(i) / 7;
      one.metrics = {{"loss", 1.0 / static_cast<double>(i + 1)}};
      one.generation = i / 10;
      one.worker = i % 2 == 0 ? "w" : "";
      evaluations.push_back(one);
    }
    CAIRN_ASSERT_OK(store.experiments().record_many(experiment, evaluations));
  }
  static void log(Store& store, const std::string& run, std::int64_t from, std::int64_t count) {
    auto metrics = store.metrics();
    CAIRN_ASSERT_OK(metrics);
    auto to = metrics->run(run);
    CAIRN_ASSERT_OK(to);
    for (std::int64_t step = from; step < from + count; ++step) {
      const NamedMetric values[] = {{"loss", 1.0 / static_cast<double>(step + 1)}, {"epoch", step / 10}};
      CAIRN_ASSERT_OK(to->log(step, values, step * 1'000));
    }
    CAIRN_ASSERT_OK(metrics->flush());
  }
  static void save(Store& store, std::uint64_t generation) {
    const std::string weights = cairn::testing::bf16_weights(1'000, generation);
    std::vector<Put> state(2);
    state[0] = {.bytes = std::as_bytes(std::span(weights)),
                .tensor = TensorLayout{.dtype = DType::bf16, .shape = {10, 100}},
                .name = "w"};
    const std::string_view optimizer = "adam";
    state[1] = {.bytes = std::as_bytes(std::span(optimizer)), .name = "optimizer"};
    const Ticket saved = store.checkpoints("run").save(generation, std::move(state), {.metrics = {{"loss", 0.5}}});
    CAIRN_ASSERT_OK(saved.committed().wait());
  }

  // Reclaims until nothing behind `from` says that something was removed.
  void forget_removals(OpenedStore& store, const mirror::Cursor& from) {
    const auto removals = [&] {
      const auto changes = MirrorSource(*store.impl).changes(from, 64 * MiB);
      return std::ranges::count_if(changes->statements, &mirror::Statement::removed);
    };
    for (int round = 0; removals() > 0 && round < 20; ++round) {
      stores_.add(store.store, "filler", static_cast<std::uint64_t>(20 + fillers_++));
      CAIRN_ASSERT_OK(store.store.archive().remove("filler"));
      CAIRN_ASSERT_OK(store.store.gc({.max_dead = 0}));
    }
    ASSERT_EQ(removals(), 0);
  }

  // Where the first block of a result lies that is too large for its entry.
  static RecordLocation content_of_a_result(const OpenedStore& store) {
    std::optional<RecordLocation> at;
    const auto look = [&](const Placed<StoredEntry>& entry) -> Result<bool> {
      if (entry.references.empty()) return true;
      const auto blob = load_blob(store.impl->blocks(), entry.references[0].id);
      at = *store.impl->index().find_block(blob.ok() ? blob->blocks[0].digest : entry.references[0].id);
      return false;
    };
    EXPECT_TRUE(store.impl->index().for_each_entry({}, Index::Order::ascending, {}, look).ok());
    EXPECT_TRUE(at);
    return at.value_or(RecordLocation());
  }

  Stores stores_;
  int fillers_ = 0;
};

}  // namespace cairn::postgres
