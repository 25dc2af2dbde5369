// SPDX-License-Identifier: Apache-2.0
//
//   build/release/bench/metrics_bench
//
// What metrics cost without a disk: a push for the thread that logs, rows as blocks and back, Parquet. Values are
// losses with noise of one in a hundred, as float32.
//
// Bounds. A push writes 32 bytes into a ring and reads the clock: some 25 ns for the clock, some 10 ns for the rest. It
// is measured one by one, less what measuring costs, on 4 threads, whose rings are drained meanwhile; what is said is
// the median and the slowest of a thousand. A block is decoded at the speed of memory times a few; it is encoded twice
// and the smaller kept, at the speed of zstd -3 on planes that mostly do not compress.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bench/random.h"
#include "engine/base/errors.h"
#include "engine/results/entry_store.h"
#include "engine/results/metric_block.h"
#include "engine/results/metric_export.h"
#include "engine/results/metric_log.h"
#include "engine/results/metric_reader.h"
#include "engine/write/ticket_state.h"

namespace {

using namespace cairn;
using Clock = std::chrono::steady_clock;

// A table that is a map, so that only metrics are measured.
class MapEntryStore final : public EntryStore {
 public:
  Result<std::optional<Entry>> find(std::string_view key) override {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    return found == entries_.end() ? std::optional<Entry>() : found->second;
  }
  Status scan(std::string_view prefix, Order order, std::string_view, const Visit& visit) override {
    const std::lock_guard lock(mutex_);
    auto first = entries_.lower_bound(prefix);
    std::vector<decltype(first)> found;
    for (; first != entries_.end() && first->first.starts_with(prefix); ++first) found.push_back(first);
    if (order == Order::descending) std::ranges::reverse(found);
    for (const auto& at : found) {
      CAIRN_TRY(const bool goes_on, visit(at->first, at->second));
      if (!goes_on) return {};
    }
    return {};
  }
  Status scan_index(std::string_view, Order, std::string_view, const VisitIndex&) override { return {}; }
  std::size_t content_bytes_max() const override { return 0; }
  Result<std::string> content(const Reference&) override {
    return make_error(ErrorCode::not_found, "a map has no content");
  }
  Result<Written> write(std::vector<EntryChange> changes, const PutOptions&) override {
    const std::lock_guard lock(mutex_);
    ++version_;
    for (EntryChange& change : changes) {
      if (change.removed) {
        entries_.erase(change.key);
      } else {
        entries_[change.key] = {.value = std::move(change.value), .version = version_, .references = {}};
      }
    }
    auto done = std::make_shared<TicketState>();
    for (const auto step : {TicketState::kStaged, TicketState::kSynced, TicketState::kCommitted}) done->reach(step);
    return Written{.version = version_, .ticket = Ticket(std::move(done))};
  }
  std::uint64_t store_time_ns() override { return 1; }
  std::uint64_t bytes() {
    const std::lock_guard lock(mutex_);
    std::uint64_t sum = 0;
    for (const auto& [key, entry] : entries_) sum += key.size() + entry.value.size();
    return sum;
  }
  std::size_t entries() {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::uint64_t version_ = 0;
};

// --- Pushing ---

struct Pushing {
  MapEntryStore store;
  MetricLog log;
  explicit Pushing(const MetricLogOptions& options) : log(store, options) {}
};
std::unique_ptr<Pushing> pushing;

// 4 threads; `pause` steps of other work between two pushes, so that the rings need not hold more than can be drained.
void push(benchmark::State& state) {
  if (state.thread_index() == 0) pushing = std::make_unique<Pushing>(MetricLogOptions{.ring_values = 64 * 1024});
  constexpr std::size_t kSamples = 1 << 20;
  std::vector<std::uint32_t> times;
  times.reserve(kSamples);
  MetricSeries series;
  std::int64_t step = 0;
  std::uint64_t other = 1;
  for (auto _ : state) {
    if (step == 0) {
      const auto run = pushing->log.run("run " + std::to_string(state.thread_index())).value();
      series = pushing->log.series(run, "loss").value();
    }
    for (std::int64_t i = 0; i < state.range(0); ++i) other = other * 6364136223846793005u + 1442695040888963407u;
    benchmark::DoNotOptimize(other);
    const auto before = Clock::now();
    benchmark::DoNotOptimize(pushing->log.push(series, step++, 0.5));
    const auto after = Clock::now();
    if (times.size() < kSamples) times.push_back(static_cast<std::uint32_t>((after - before).count()));
  }
  std::vector<std::uint32_t> clock;
  for (int i = 0; i < 10000; ++i) {
    const auto before = Clock::now();
    clock.push_back(static_cast<std::uint32_t>((Clock::now() - before).count()));
  }
  const auto at = [](std::vector<std::uint32_t>& all, double share) {
    const auto place = all.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(all.size() - 1));
    std::nth_element(all.begin(), place, all.end());
    return static_cast<double>(*place);
  };
  const double own = at(clock, 0.5);
  const auto average = benchmark::Counter::kAvgThreads;
  state.counters["p50_ns"] = benchmark::Counter(at(times, 0.5) - own, average);
  state.counters["p99.9_ns"] = benchmark::Counter(at(times, 0.999) - own, average);
  state.SetItemsProcessed(state.iterations());
}

// A row of 38 values by name, as a training loop logs it, on one thread.
void log_row(benchmark::State& state) {
  MapEntryStore store;
  MetricLog log(store, {.ring_values = 64 * 1024});
  const auto run = log.run("run").value();
  std::vector<std::string> names;
  for (int i = 0; i < 38; ++i) names.push_back("train/layer_" + std::to_string(i) + "/grad_norm");
  std::vector<NamedMetric> row;
  for (const std::string& name : names) row.push_back({name, 0.5});
  std::int64_t step = 0;
  for (auto _ : state) {
    if (!log.log(run, step++, row).ok()) return state.SkipWithError("a row was refused");
  }
  state.SetItemsProcessed(state.iterations() * 38);
}

// --- Blocks ---

MetricRows training_rows(std::size_t steps, std::size_t series) {
  bench::Random random{1};
  MetricRows rows;
  std::int64_t time_us = 1'700'000'000'000'000;
  for (std::size_t step = 0; step < steps; ++step) {
    time_us += 100'000 + static_cast<std::int64_t>(1000 * random.normal());
    rows.begin_row(static_cast<std::int64_t>(step), time_us * 1000);
    for (std::size_t s = 0; s < series; ++s) {
      const double level = (1 + static_cast<double>(s)) * (0.5 + 2 / std::sqrt(1 + static_cast<double>(step) / 100));
      rows.add_real(rows.column("series " + std::to_string(s), MetricKind::real),
                    static_cast<float>(level * (1 + 0.01 * random.normal())));
    }
  }
  return rows;
}

void report(benchmark::State& state, const MetricRows& rows, std::size_t bytes) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows.points()));
  state.counters["bytes_per_point"] = static_cast<double>(bytes) / static_cast<double>(rows.points());
}

void encode(benchmark::State& state) {
  const MetricRows rows =
      training_rows(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  std::size_t bytes = 0;
  for (auto _ : state) bytes = encode_metric_block(rows).value().size();
  report(state, rows, bytes);
}

void decode(benchmark::State& state) {
  const MetricRows rows =
      training_rows(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  const auto block = encode_metric_block(rows).value();
  for (auto _ : state) {
    const auto back = decode_metric_block(block);
    if (!back.ok()) return state.SkipWithError("a block does not decode");
  }
  report(state, rows, block.size());
}

// --- A run of 10,000 rows in the table ---

struct Stored {
  MapEntryStore store;
  std::uint64_t points = 0;
  Stored(std::int64_t steps, std::size_t series) {
    const MetricRows rows = training_rows(static_cast<std::size_t>(steps), series);
    MetricLog log(store);
    const auto run = log.run("run").value();
    std::vector<NamedMetric> row;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      row.clear();
      for (const MetricColumn& column : rows.columns()) row.push_back({column.name, column.reals[i]});
      points += log.log(run, rows.steps()[i], row, rows.times_ns()[i]).ok() ? row.size() : 0;
      if (i % 100 == 99) static_cast<void>(log.flush());
    }
    static_cast<void>(log.close());
  }
};

void query(benchmark::State& state) {
  Stored stored(10000, static_cast<std::size_t>(state.range(0)));
  MetricReader reader(stored.store);
  for (auto _ : state) {
    const auto curve = reader.query("run", "series 0");
    if (!curve.ok() || curve->points.size() != 10000) return state.SkipWithError("a series is not there");
  }
  state.counters["bytes_per_point"] = static_cast<double>(stored.store.bytes()) / static_cast<double>(stored.points);
}

void parquet(benchmark::State& state) {
  Stored stored(state.range(0), static_cast<std::size_t>(state.range(1)));
  MetricReader reader(stored.store);
  const std::vector<std::string> runs = {"run"};
  std::size_t bytes = 0;
  for (auto _ : state) {
    bytes = 0;
    const Status status = export_metrics(reader, runs, MetricFormat::parquet, [&](Bytes part) {
      bytes += part.size();
      return Status();
    });
    if (!status.ok()) return state.SkipWithError(status.error().message.c_str());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(stored.points));
  state.counters["bytes_per_point"] = static_cast<double>(bytes) / static_cast<double>(stored.points);
}

// 1,000 runs of 10,000 points each, which take turns: logged, and one of them asked for.
void many_runs(benchmark::State& state) {
  constexpr std::size_t kRuns = 1000, kSteps = 10000;
  const MetricRows rows = training_rows(kSteps, 8);
  for (auto _ : state) {
    MapEntryStore store;
    MetricLog log(store);
    std::vector<std::uint32_t> runs;
    for (std::size_t i = 0; i < kRuns; ++i) runs.push_back(log.run("run " + std::to_string(i)).value());
    for (std::size_t step = 0; step < kSteps; ++step) {
      for (std::size_t i = 0; i < kRuns; ++i) {
        const std::vector<NamedMetric> row = {{"loss", rows.columns()[i % 8].reals[step]}};
        if (!log.log(runs[i], static_cast<std::int64_t>(step), row, rows.times_ns()[step]).ok()) {
          return state.SkipWithError("a row was refused");
        }
      }
    }
    if (!log.close().ok()) return state.SkipWithError("not everything was written");
    state.counters["bytes_per_point"] = static_cast<double>(store.bytes()) / (kRuns * kSteps);
    state.counters["entries_per_run"] = static_cast<double>(store.entries()) / kRuns;
    MetricReader reader(store);
    const auto before = Clock::now();
    if (reader.query("run 500", "loss").value().points.size() != kSteps)
      return state.SkipWithError("points are missing");
    state.counters["query_us"] = std::chrono::duration<double, std::micro>(Clock::now() - before).count();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRuns * kSteps));
}

// Without a pause, and with that of a thread that also does something else.
BENCHMARK(push)->Threads(4)->Arg(0)->Arg(1000)->UseRealTime();
BENCHMARK(log_row);
BENCHMARK(encode)->Args({10000, 1})->Args({800, 38})->Args({100, 38})->Unit(benchmark::kMicrosecond);
BENCHMARK(decode)->Args({10000, 1})->Args({800, 38})->Args({100, 38})->Unit(benchmark::kMicrosecond);
BENCHMARK(query)->Arg(1)->Arg(38)->Unit(benchmark::kMicrosecond);
BENCHMARK(many_runs)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(parquet)->Args({100000, 1})->Args({20000, 38})->Unit(benchmark::kMillisecond);

}  // namespace
