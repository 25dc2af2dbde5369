// SPDX-License-Identifier: Apache-2.0
//
// A million evaluations of one experiment, and ten million points of metrics in a thousand runs: what it costs to
// write them, to open a store that has them, and to ask for little of them.
//
// Expected. An evaluation is an entry of some 150 bytes with two index keys: three keys of the index each, which is
// what RocksDB writes in a few microseconds. The best ten are ten neighbours in the index, found by one walk that
// begins with a seek of some microseconds, and ten looks at an entry. Points of one run lie in two entries at the end
// of the run. Opening reads no entry at all: as long as RocksDB takes.
//
// Held constant: fitness and one metric by a hash, batches of 1,000, 100 generations; 10,000 steps in each run, float32
// values that wander, rows of all runs in turns.
#include <dirent.h>

#include <cmath>
#include <filesystem>

#include "bench/ingest/measure.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::uint64_t kEvaluations = 1'000'000, kBatch = 1'000;
constexpr std::uint64_t kRuns = 1'000, kSteps = 10'000;

cairn::Store open(const std::string& folder) {
  auto store = cairn::Store::open(folder, {.mode = cairn::OpenMode::create});
  check(store);
  return std::move(store).value();
}

// Every other is opened warm: what the page cache has of the store is what it had.
double open_ms(const std::string& folder, int rounds) {
  Samples ms;
  for (int round = 0; round < rounds; ++round) {
    const Stopwatch watch;
    cairn::Store store = open(folder);
    ms.add(watch.seconds() * 1e3);
    check(store.close());
  }
  return ms.median();
}

std::size_t open_files() {
  std::size_t count = 0;
  DIR* const folder = ::opendir("/proc/self/fd");
  while (folder != nullptr && ::readdir(folder) != nullptr) ++count;
  if (folder != nullptr) ::closedir(folder);
  return count;
}

std::uint64_t disk_bytes(cairn::Store& store) {
  const auto stats = store.stats();
  check(stats);
  return stats->disk_bytes;
}

// Where they are: the log, what of it is dead, the index. Of a store that is closed: who writes has room ahead.
void disk_rows(const std::string& folder, const std::string& when, std::uint64_t points) {
  auto store = cairn::Store::open(folder, {.access = cairn::Access::read_only});
  check(store);
  const auto stats = store->stats();
  check(stats);
  const auto each = [&](std::uint64_t bytes) {
    return text("%.2f", static_cast<double>(bytes) / static_cast<double>(points));
  };
  row({"bytes on the disk for each point, " + when, each(stats->disk_bytes - stats->reserve_bytes)});
  row({"- of them the log", each(stats->log_bytes)});
  row({"- - of its records, what is dead", each(stats->dead_bytes)});
  row({"- of them the index", each(stats->disk_bytes - stats->log_bytes - stats->reserve_bytes)});
  check(store->close());
}

template <class Call>
double median_us(int calls, const Call& call) {
  Samples us;
  for (int i = 0; i < calls; ++i) {
    const Stopwatch watch;
    call();
    us.add(watch.seconds() * 1e6);
  }
  return us.median();
}

}  // namespace

void evaluations(const Setup& setup) {
  const std::string folder = setup.folder + "/evaluations";
  {
    cairn::Store store = open(folder);
    cairn::Experiments experiments = store.experiments();
    check(experiments.create({.name = "search"}));
    const Stopwatch watch;
    for (std::uint64_t first = 0; first < kEvaluations; first += kBatch) {
      std::vector<cairn::Evaluation> batch;
      for (std::uint64_t i = first; i < first + kBatch; ++i) {
        const double fitness = static_cast<double>(mixed(i + 1) >> 11) * 0x1p-53;
        batch.push_back({.hash = text("%016lx", mixed(i)),
                         .fitness = fitness,
                         .metrics = {{"latency_ms", 100 * (1 - fitness)}},
                         .generation = i / (kEvaluations / 100)});
      }
      check(experiments.record_many("search", std::move(batch)));
    }
    check(store.sync());
    const double seconds = watch.seconds();
    head("A million evaluations (goals: top 10 and statistics 100 us, open 50 ms)", {"", ""});
    row({"recorded, durable, per second, in batches of 1,000", text("%.0f", kEvaluations / seconds)});
    const Stopwatch closing;
    check(store.close());
    row({"close, s", text("%.2f", closing.seconds())});
  }
  row({"open, ms (median)", text("%.1f", open_ms(folder, 5))});
  cairn::Store store = open(folder);
  cairn::Experiments experiments = store.experiments();
  const auto top = [&] { check(experiments.evaluations("search", {.limit = 10})); };
  const auto lowest = [&] {
    check(experiments.evaluations("search", {.best = cairn::Best::lowest, .metric = "latency_ms", .limit = 10}));
  };
  for (int i = 0; i < 20; ++i) top(), lowest();
  row({"top 10 by fitness, us", text("%.1f", median_us(200, top))});
  row({"the lowest 10 by a metric, us", text("%.1f", median_us(200, lowest))});
  row({"statistics, us", text("%.1f", median_us(200, [&] { check(experiments.statistics("search")); }))});
  row({"statistics of a generation, us",
       text("%.1f", median_us(200, [&] { check(experiments.statistics("search", 7)); }))});
  row({"bytes on the disk for each", text("%.0f", static_cast<double>(disk_bytes(store)) / kEvaluations)});
  check(store.close());
  check(cairn::Store::destroy(folder));
}

void series(const Setup& setup) {
  const std::string folder = setup.folder + "/series";
  const auto name = [](std::uint64_t run) { return text("run-%04lu", run); };
  {
    cairn::Store store = open(folder);
    auto metrics = store.metrics();
    check(metrics);
    std::vector<cairn::MetricRun> runs;
    std::vector<cairn::MetricSeries> losses;
    for (std::uint64_t run = 0; run < kRuns; ++run) {
      auto made = metrics->run(name(run));
      check(made);
      auto loss = made->series("loss");
      check(loss);
      losses.push_back(*loss);
      runs.push_back(std::move(*made));
    }
    const Stopwatch watch;
    for (std::uint64_t step = 0; step < kSteps; ++step) {
      for (std::uint64_t run = 0; run < kRuns; ++run) {
        const auto noise = static_cast<float>(mixed(step * kRuns + run) >> 40) * 0x1p-24F;
        const float value = 2.0F / (1.0F + 0.01F * static_cast<float>(step)) + 0.01F * noise;
        if (!runs[run].push(losses[run], static_cast<std::int64_t>(step), value)) die("a push was refused");
      }
    }
    check(metrics->flush());
    const double seconds = watch.seconds();
    head(
        "Ten million points in a thousand runs (goals: open 50 ms, 64 files, a series of 10,000 in 2 ms, 5 bytes a "
        "point)",
        {"", ""});
    row({"pushed by one thread, durable, per second", text("%.0f", kRuns * kSteps / seconds)});
    const cairn::MetricLogStats stats = metrics->stats();
    row({"bytes for each point in blocks as they were first written",
         text("%.2f", static_cast<double>(stats.block_bytes) / static_cast<double>(stats.written))});
    check(store.close());
  }
  disk_rows(folder, "closed", kRuns * kSteps);
  row({"open, ms (median)", text("%.1f", open_ms(folder, 5))});
  const std::size_t before = open_files();
  cairn::Store store = open(folder);
  auto metrics = store.metrics();
  check(metrics);
  std::uint64_t run = 0;
  const auto query = [&] {
    const auto curve = metrics->query(name(run++ % kRuns), "loss");
    check(curve);
    if (curve->points.size() != kSteps) die("points are missing");
  };
  row({"one series of 10,000 points, ms", text("%.2f", median_us(200, query) / 1e3)});
  row({"files that are open for it", text("%zu", open_files() - before)});
  check(store.gc());
  check(store.close());
  disk_rows(folder, "closed after gc()", kRuns * kSteps);
  check(cairn::Store::destroy(folder));
}

}  // namespace bench
