// SPDX-License-Identifier: Apache-2.0
//
// Results of 1 KiB from 8 threads, each durable before its thread goes on, beside SQLite and RocksDB; and
// what reading one costs, from memory and from the index.
//
// Expected. As of small values (small_values.cc): a flush of the disk for what arrived during the one before, up to 8
// results, and the CPU of one index batch. A read from memory is a look at two maps and a copy of 1 KiB: below a
// microsecond; from the index, a look into RocksDB's tables that its cache holds: below ten.
//
// Held constant: 1 KiB of noise under keys of 40 bytes, 2 s for each store in each round; 200,000 results that
// are read in an order that is the same for all rounds.
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "bench/ingest/ceilings.h"
#include "bench/ingest/measure.h"
#include "bench/ingest/peers.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::size_t kThreads = 8, kBytes = KiB;
constexpr double kSeconds = 2;
constexpr std::uint64_t kRead = 200'000;
constexpr PeerKind kPeers[] = {{"SQLite, WAL, full", open_sqlite},
                               {"SQLite, WAL, normal: not durable", open_sqlite_normal},
                               {"RocksDB, WAL", open_rocksdb}};

struct Figures {
  Samples rate, us;
};

std::string key_of(std::uint64_t number) { return text("evaluations/architecture/%015lu", number); }

void write(Figures& figures, const std::function<void(std::uint64_t, std::span<std::byte>)>& put) {
  std::mutex mutex;
  std::vector<std::thread> threads;
  std::size_t done = 0;
  static std::atomic<std::uint64_t> next_key = 1;
  const Stopwatch watch;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      Noise noise(kBytes);
      Samples us;
      while (watch.seconds() < kSeconds) {
        const std::uint64_t key = next_key++, word = mixed(key);
        std::memcpy(noise.all().data(), &word, sizeof word);
        const Stopwatch call;
        put(key, noise.all());
        us.add(call.seconds() * 1e6);
      }
      const std::lock_guard lock(mutex);
      done += us.count();
      figures.us.add(us);
    });
  }
  for (std::thread& thread : threads) thread.join();
  figures.rate.add(static_cast<double>(done) / watch.seconds());
}

cairn::ResultValue value_of(std::span<const std::byte> bytes) { return {.bytes = {bytes.begin(), bytes.end()}}; }

// Of one thread, over keys that are there, in no order.
Samples read(cairn::Results& results, std::uint64_t keys) {
  Samples us;
  for (std::uint64_t i = 0; i < kRead; ++i) {
    const std::string key = key_of(mixed(i) % keys);
    const Stopwatch call;
    const auto found = results.get(key);
    us.add(call.seconds() * 1e6);
    if (!found.ok() || !*found) die("a result is missing");
  }
  return us;
}

void fill(cairn::Results& results) {
  Noise noise(kBytes);
  for (std::uint64_t first = 0; first < kRead; first += 1000) {
    std::vector<std::pair<std::string, cairn::ResultValue>> batch;
    for (std::uint64_t i = first; i < first + 1000; ++i) {
      std::memcpy(noise.all().data(), &i, sizeof i);
      batch.emplace_back(key_of(i), value_of(noise.all()));
    }
    check(results.put_many_async(std::move(batch)));
  }
}

}  // namespace

void reads(const Setup& setup) {
  const std::string folder = setup.folder + "/results-read";
  std::map<std::string, Samples> us;
  {
    auto store = cairn::Store::open(folder, {.mode = cairn::OpenMode::create});
    check(store);
    cairn::Results results = store->results();
    fill(results);
    check(store->close());
  }
  for (int round = 0; round < setup.rounds; ++round) {
    for (const bool memory : {true, false}) {
      auto store = cairn::Store::open(folder, {.memory_cache_bytes = memory ? 512 * MiB : 0});
      check(store);
      cairn::Results results = store->results();
      read(results, kRead);  // warms what there is to warm
      us[memory ? "from memory (goal: 2)" : "from the index (goal: 20)"].add(read(results, kRead));
      check(store->close());
    }
  }
  check(cairn::Store::destroy(folder));
  head("get() of 1 KiB, one thread, us", {"", "mean", "p50", "p90", "p99"});
  for (const auto& [name, samples] : us) {
    row({name, text("%.2f", samples.mean()), text("%.2f", samples.median()), text("%.2f", samples.percentile(90)),
         text("%.2f", samples.percentile(99))});
  }
}

void results(const Setup& setup) {
  std::map<std::string, Figures> figures;
  for (int round = 0; round < setup.rounds; ++round) {
    {
      cairn::Store store = new_store(setup.folder, 8 * MiB);
      cairn::Results results = store.results();
      write(figures["cairn, results"],
            [&](std::uint64_t key, std::span<std::byte> value) { check(results.put(key_of(key), value_of(value))); });
    }
    for (const PeerKind& kind : kPeers) {
      const auto use = [&](Peer& peer) {
        write(figures[kind.name], [&](std::uint64_t key, std::span<std::byte> value) { peer.put(key, value); });
      };
      if (!with_peer(kind, setup.folder, use)) std::printf("left out, not built in: %s\n", kind.name);
    }
  }
  const double ours = figures["cairn, results"].rate.median();
  head("1 KiB from 8 threads, each durable (goal: 3 x SQLite, full)",
       {"store", "results/s", "cairn's rate by this", "p50 us", "p99 us"});
  row({"one thread, a page overwritten and synced", text("%.0f", sync_rate(setup.folder)), "", "", ""});
  for (const auto& [name, f] : figures) {
    row({name, text("%.0f", f.rate.median()), text("%.2f", ours / f.rate.median()), text("%.0f", f.us.median()),
         text("%.0f", f.us.percentile(99))});
  }
}

}  // namespace bench
