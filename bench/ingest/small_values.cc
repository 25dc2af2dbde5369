// SPDX-License-Identifier: Apache-2.0
//
// Small values from 8 threads, each durable before its thread goes on, beside other stores.
//
// Expected. One value at a time costs a flush of the disk (0.1 to 1 ms) whatever the store;
// whoever lets the values that arrive during one flush share the next has up to 8 of them
// in each. What is left is the CPU of one commit: digest, log group, index batch.
//
// Held constant: sizes from 100 B to 4 KiB (the same sequence for all), noise, 2 s for each
// store in each round.
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "bench/ingest/ceilings.h"
#include "bench/ingest/measure.h"
#include "bench/ingest/peers.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::size_t kThreads = 8;
constexpr double kSeconds = 2;
constexpr PeerKind kPeers[] = {{"SQLite, WAL, full", open_sqlite},
                               {"LMDB", open_lmdb},
                               {"RocksDB, WAL", open_rocksdb},
                               {"files, fsync", open_files}};

struct Figures {
  Samples rate, us;
};

void run(Figures& figures, const std::function<void(std::uint64_t, std::span<std::byte>)>& put) {
  std::mutex mutex;
  std::vector<std::thread> threads;
  std::size_t done = 0;
  static std::atomic<std::uint64_t> next_key = 1;
  const Stopwatch watch;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      Noise noise(4 * KiB);
      Samples us;
      while (watch.seconds() < kSeconds) {
        const std::uint64_t key = next_key++, word = mixed(key);
        const std::span<std::byte> value = noise.part(0, 100 + mixed(us.count() + 1) % (4 * KiB - 99));
        std::memcpy(value.data(), &word, sizeof word);
        const Stopwatch call;
        put(key, value);
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

}  // namespace

void small_values(const Setup& setup) {
  std::map<std::string, Figures> figures;
  for (int round = 0; round < setup.rounds; ++round) {
    cairn::Store store = new_store(setup.folder, 256 * MiB);
    run(figures["cairn, put"], [&](std::uint64_t, std::span<std::byte> value) { check(store.put({.bytes = value})); });
    for (const PeerKind& kind : kPeers) {
      const auto use = [&](Peer& peer) {
        run(figures[kind.name], [&](std::uint64_t key, std::span<std::byte> value) { peer.put(key, value); });
      };
      if (!with_peer(kind, setup.folder, use)) std::printf("left out, not built in: %s\n", kind.name);
    }
  }
  const double ours = figures["cairn, put"].rate.median();
  head("100 B to 4 KiB from 8 threads, each durable (goal: 3 x SQLite)",
       {"store", "values/s", "cairn's rate by this", "p50 us", "p90 us", "p99 us", "longest us"});
  row({"one thread, a page overwritten and synced", text("%.0f", sync_rate(setup.folder)), "", "", "", "", ""});
  for (const auto& [name, f] : figures) {
    row({name, text("%.0f", f.rate.median()), text("%.2f", ours / f.rate.median()), text("%.0f", f.us.median()),
         text("%.0f", f.us.percentile(90)), text("%.0f", f.us.percentile(99)), text("%.0f", f.us.most())});
  }
}

}  // namespace bench
