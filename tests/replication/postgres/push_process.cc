// SPDX-License-Identifier: Apache-2.0
//
// A process that pushes a store into a database, to be killed by postgres_kill_test.py.
//
//   push_process STORE [SEED CHANGES]
//
// Changes the store at random first, each change durable, and makes it when it is not there. The database is that of
// the PG* variables. What breaks on the way is tried again for a minute.
#include <cstdio>
#include <random>

#include "api/src/mirror_source.h"
#include "api/src/postgres_push.h"
#include "cairn/archive.h"
#include "cairn/checkpoints.h"
#include "cairn/experiments.h"
#include "cairn/metrics.h"
#include "cairn/results.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

constexpr std::uint64_t kKeys = 20, kSteps = 12;
// Of a statement. What hangs is given up after twice the time.
constexpr std::chrono::milliseconds kPatience{1'500};

Status change_result(Store& store, std::mt19937_64& random) {
  auto results = store.results("eval");
  const std::string key = "key " + std::to_string(random() % kKeys);
  if (random() % 4 == 0) {
    CAIRN_TRY([[maybe_unused]] const bool removed, results.remove(key));
    return {};
  }
  CAIRN_TRY([[maybe_unused]] const auto version,
            results.put(key, ResultValue::json(R"({"x": )" + std::to_string(random()) + "}")));
  return {};
}

Status change_experiment(Store& store, std::mt19937_64& random) {
  auto experiments = store.experiments();
  const std::string name = "search " + std::to_string(random() % 3);
  if (random() % 8 == 0) {
    const auto removed = experiments.remove(name);
    return removed.ok() || removed.error().code == ErrorCode::not_found ? Status() : Status(removed.error());
  }
  CAIRN_TRY(const auto created, experiments.create({.name = name, .config = R"({"lr": 0.1})"}));
  static_cast<void>(created);
  std::vector<Evaluation> evaluations(1 + random() % 40);
  for (Evaluation& one : evaluations) {
    one.architecture = R"({"layers": )" + std::to_string(random() % 10'000) + "}";
    one.fitness = static_cast<double>(random() % 1'000) / 7;
    one.metrics = {{"loss", 0.5}};
  }
  CAIRN_TRY(const auto recorded, experiments.record_many(name, std::move(evaluations)));
  return recorded.ticket ? recorded.ticket->committed().wait() : Status();
}

Status change_metrics(Store& store, std::mt19937_64& random) {
  CAIRN_TRY(auto metrics, store.metrics());
  CAIRN_TRY(auto run, metrics.run("run " + std::to_string(random() % 2)));
  for (std::uint64_t i = 0, count = 1 + random() % 20; i < count; ++i) {
    const NamedMetric values[] = {{"loss", static_cast<double>(random() % 100)}};
    CAIRN_CHECK(run.log(static_cast<std::int64_t>(i), values, 0));
  }
  return metrics.flush();
}

Status change_checkpoint(Store& store, std::mt19937_64& random) {
  auto checkpoints = store.checkpoints("run");
  const std::uint64_t step = random() % kSteps;
  if (random() % 3 == 0) {
    const Status removed = checkpoints.remove(step);
    return removed.ok() || removed.error().code == ErrorCode::not_found ? Status() : removed;
  }
  const std::string weights(64 + random() % 64, static_cast<char>(random()));
  std::vector<Put> state(1);
  state[0] = {.bytes = std::as_bytes(std::span(weights)), .name = "weights"};
  const Status saved = checkpoints.save(step, std::move(state), {}).committed().wait();
  // It is there already.
  return saved.ok() || saved.error().code == ErrorCode::conflict ? Status() : saved;
}

Status change(Store& store, std::mt19937_64& random) {
  switch (random() % 6) {
    case 0: return change_experiment(store, random);
    case 1: return change_metrics(store, random);
    case 2: return change_checkpoint(store, random);
    default: return change_result(store, random);
  }
}

Status run(const std::string& folder, std::uint64_t seed, std::uint64_t changes) {
  const Status created =
      StoreImpl::create(posix_file_system(), folder, {.block_bytes = 64 * KiB, .segment_bytes = MiB});
  if (!created.ok() && created.error().code != ErrorCode::already_exists) return created;
  CAIRN_TRY(auto impl, StoreImpl::open(posix_file_system(), folder, {.threads = 1}, {}));
  StoreImpl& parts = *impl;
  Store store = StoreImpl::handle(std::move(impl));
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < changes; ++i) CAIRN_CHECK(change(store, random));

  MirrorSource source(parts);
  PostgresRows rows(parts);
  // Several batches of few changes, or few of many; copied, or some of them.
  PostgresPushOptions options{
      .statement_bytes = seed % 2 == 0 ? 500u : 20'000u,
      .apply = {.copy_rows_min = seed % 3 == 0 ? 1u : 12u},
      .retry = {
          .attempts_max = 10'000, .delay_max = std::chrono::milliseconds(200), .time_max = std::chrono::minutes(1)}};
  PostgresPusher pusher(source, rows, {.statement_timeout = kPatience}, options);
  CAIRN_TRY(const PostgresPushReport report, pusher.push());
  if (!report.left_out.empty()) {
    return make_error(ErrorCode::corruption, "left out: " + report.left_out.front());
  }
  std::printf("%lu rows, %lu batches\n", report.rows, report.batches);
  return {};
}

}  // namespace
}  // namespace cairn

int main(int argc, char** argv) {
  if (argc != 2 && argc != 4) {
    std::fputs("usage: push_process STORE [SEED CHANGES]\n", stderr);
    return 2;
  }
  const auto number = [&](int at) { return argc > at ? std::strtoull(argv[at], nullptr, 10) : 0; };
  const cairn::Status done = cairn::run(argv[1], number(2), number(3));
  if (done.ok()) return 0;
  std::fprintf(stderr, "push_process: %s\n", done.error().message.c_str());
  return 1;
}
