// SPDX-License-Identifier: Apache-2.0
//
// What compare.py measures of a mirror in PostgreSQL: a store full of rows, its push, and what pushing costs who puts.
//
//   mirror_rows fill FOLDER ROWS           a store that is not there yet: half of them evaluations, half results
//   mirror_rows schema                     makes the schema and nothing else
//   mirror_rows push FOLDER                prints {"seconds", "cpu", "statements", "rows", "batches"}
//   mirror_rows foreground FOLDER SECONDS  prints {"calls": [[us without a pusher, with one], …], "rates": …}
//
// The database is that of the PG* variables.
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "api/src/mirror_source.h"
#include "api/src/postgres_push.h"
#include "bench/ingest/measure.h"
#include "cairn/experiments.h"
#include "cairn/results.h"
#include "replication/postgres/schema.h"

namespace bench {
namespace {

constexpr std::uint64_t kAtOnce = 1'000, kExperiments = 4;
// Of the foreground: what a search over many machines brings, and how often it is interrupted to compare.
constexpr std::chrono::microseconds kPace{500};
constexpr int kPairs = 8;

cairn::Evaluation evaluation(std::uint64_t number) {
  const std::uint64_t random = mixed(number + 1);
  cairn::Evaluation one;
  one.architecture = text(R"({"depth":%lu,"width":%lu,"heads":%lu,"kernel":[3,5,7],"activation":"gelu","id":%lu})",
                          random % 48, 64 * (1 + random / 48 % 32), 1 + random / 1536 % 16, number);
  one.fitness = static_cast<double>(random >> 11) * 0x1p-53;
  one.metrics = {{"loss", 1 - one.fitness},
                 {"accuracy", one.fitness * 0.97},
                 {"flops", static_cast<double>(random % 1'000'000'007)}};
  one.generation = number / 100;
  one.worker = text("worker-%lu", number % 16);
  one.duration_seconds = static_cast<double>(random % 3'600'000) / 1e3;
  return one;
}
std::pair<std::string, cairn::ResultValue> result(std::uint64_t number) {
  const std::uint64_t random = mixed(~number);
  return {text("architecture/%016lx", random),
          cairn::ResultValue::json(
              text(R"({"fitness":%.17g,"latency_ms":%.6g,"parameters":%lu,"device":"gpu-%lu","ok":true})",
                   static_cast<double>(random >> 11) * 0x1p-53, static_cast<double>(random % 100'000) / 7e3,
                   random % 1'000'000'000, random % 8))};
}

struct Opened {
  cairn::StoreImpl* impl;
  cairn::Store store;
};
Opened open(const std::string& folder) {
  auto impl = cairn::StoreImpl::open(cairn::posix_file_system(), folder, {}, {});
  check(impl);
  cairn::StoreImpl* const parts = impl->get();
  return {.impl = parts, .store = cairn::StoreImpl::handle(std::move(impl).value())};
}

void fill(const std::string& folder, std::uint64_t rows) {
  check(cairn::StoreImpl::create(cairn::posix_file_system(), folder, {}));
  Opened opened = open(folder);
  auto experiments = opened.store.experiments();
  for (std::uint64_t i = 0; i < kExperiments; ++i) check(experiments.create({.name = text("search-%lu", i)}));
  auto results = opened.store.results("eval");
  std::optional<cairn::Ticket> last;
  for (std::uint64_t begin = 0; begin < rows / 2; begin += kAtOnce) {
    std::vector<cairn::Evaluation> evaluations;
    std::vector<std::pair<std::string, cairn::ResultValue>> values;
    for (std::uint64_t i = begin; i < std::min(begin + kAtOnce, rows / 2); ++i) {
      evaluations.push_back(evaluation(i));
      values.push_back(result(i));
    }
    check(experiments.record_many(text("search-%lu", begin / kAtOnce % kExperiments), std::move(evaluations)));
    auto ticket = results.put_many_async(std::move(values));
    check(ticket);
    last = *std::move(ticket);
  }
  if (last) check(last->committed().wait());
}

void make_schema() {
  auto connection = cairn::postgres::Connection::open({});
  check(connection);
  check(cairn::postgres::require_schema(**connection));
}

// What the index does behind its opening is none of the push.
void wait_until_idle() {
  for (double before = -1, now = 0; now - before > 0.005; now = cpu_seconds()) {
    before = cpu_seconds();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void push(const std::string& folder) {
  const Opened opened = open(folder);
  wait_until_idle();
  cairn::MirrorSource source(*opened.impl);
  cairn::PostgresRows rows(*opened.impl);
  cairn::PostgresPusher pusher(source, rows, {}, {});
  const double cpu = cpu_seconds();
  const Stopwatch watch;
  const auto report = pusher.push();
  const double seconds = watch.seconds();
  check(report);
  if (!report->left_out.empty()) die(report->left_out.front());
  std::printf("{\"seconds\": %.4f, \"cpu\": %.4f, \"statements\": %lu, \"rows\": %lu, \"batches\": %lu}\n", seconds,
              cpu_seconds() - cpu, report->statements, report->rows, report->batches);
}

// Pushes whenever there is something new, beside whoever puts.
class PusherBeside {
 public:
  explicit PusherBeside(cairn::StoreImpl& store)
      : source_(store), rows_(store), pusher_(source_, rows_, {}, {}), thread_([this] { run(); }) {}
  // What was put is there then.
  ~PusherBeside() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_one();
    thread_.join();
    check(pusher_.push());
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, std::chrono::milliseconds(50), [this] { return ended_; })) {
      lock.unlock();
      check(pusher_.push());
      lock.lock();
    }
  }

  cairn::MirrorSource source_;
  cairn::PostgresRows rows_;
  cairn::PostgresPusher pusher_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;  // guarded by mutex_
  std::thread thread_;  // last: uses the others
};

std::uint64_t next_result = 1'000'000'000;

// Microseconds of each call, at a pace that leaves the processor to others.
double paced(cairn::Store& store, double seconds) {
  auto results = store.results("foreground");
  Samples us;
  const Stopwatch watch;
  for (auto next = std::chrono::steady_clock::now(); watch.seconds() < seconds; next += kPace) {
    auto [key, value] = result(next_result++);
    std::this_thread::sleep_until(next);
    const Stopwatch call;
    check(results.put_async(key, std::move(value)));
    us.add(call.seconds() * 1e6);
  }
  return us.median();
}

// Puts a second as fast as one thread can, until all of them are durable.
double unpaced(cairn::Store& store, double seconds) {
  auto results = store.results("foreground");
  std::uint64_t puts = 0;
  const Stopwatch watch;
  std::optional<cairn::Ticket> last;
  while (watch.seconds() < seconds) {
    auto [key, value] = result(next_result++);
    auto ticket = results.put_async(key, std::move(value));
    check(ticket);
    last = *std::move(ticket);
    ++puts;
  }
  check(last->committed().wait());
  return static_cast<double>(puts) / watch.seconds();
}

template <class Measure>
void print_pairs(const char* name, Opened& opened, const Measure& measure) {
  std::printf("\"%s\": [", name);
  for (int i = 0; i < kPairs; ++i) {
    double without = 0, with = 0;
    const auto beside = [&] {
      const PusherBeside pusher(*opened.impl);
      with = measure();
    };
    // Each goes first as often as the other.
    if (i % 2 == 1) beside();
    without = measure();
    if (i % 2 == 0) beside();
    std::printf("%s[%.3f, %.3f]", i > 0 ? ", " : "", without, with);
  }
  std::printf("]");
}

void foreground(const std::string& folder, double seconds) {
  Opened opened = open(folder);
  paced(opened.store, seconds / 4);  // warms up
  std::printf("{");
  print_pairs("calls", opened, [&] { return paced(opened.store, seconds); });
  std::printf(", ");
  print_pairs("rates", opened, [&] { return unpaced(opened.store, seconds); });
  std::printf("}\n");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "fill" && argc == 4) {
    bench::fill(argv[2], std::strtoull(argv[3], nullptr, 10));
  } else if (verb == "schema" && argc == 2) {
    bench::make_schema();
  } else if (verb == "push" && argc == 3) {
    bench::push(argv[2]);
  } else if (verb == "foreground" && argc == 4) {
    bench::foreground(argv[2], std::strtod(argv[3], nullptr));
  } else {
    std::fputs("usage: mirror_rows fill FOLDER ROWS | schema | push FOLDER | foreground FOLDER SECONDS\n", stderr);
    return 2;
  }
  return 0;
}
