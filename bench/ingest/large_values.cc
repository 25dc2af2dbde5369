// SPDX-License-Identifier: Apache-2.0
//
// Values of 1 to 64 MiB beside other stores, all with the same promise: a value survives
// power loss once the last line of each way has returned.
//
// Expected. A store that writes values to a log and again to tables or pages has half the
// disk's rate at best, and its caller waits for all of it; plain files pay a flush for each
// value and a copy into the page cache. put() waits for a flush of each value too;
// put_async() shares flushes and overlaps digesting with writing, and its caller waits for
// nothing as long as the budget (here 1 GiB) has room.
//
// Held constant: noise, 256 MiB for each size (512 MiB from 16 MiB on) in order, one
// thread, a new store each time, each round all stores in turn. The longest stall is that
// of one call; the end of put_async is a sync(), which is in the rate and not in the stall.
#include <map>

#include "bench/ingest/ceilings.h"
#include "bench/ingest/measure.h"
#include "bench/ingest/peers.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr PeerKind kPeers[] = {{"RocksDB, leveled, WAL", open_rocksdb},
                               {"RocksDB, BlobDB, WAL", open_blobdb},
                               {"LMDB", open_lmdb},
                               {"SQLite, WAL, full", open_sqlite},
                               {"files, fsync", open_files}};
constexpr std::size_t kSizes[] = {MiB, 4 * MiB, 16 * MiB, 64 * MiB};

struct Figures {
  Samples rate, stall_ms;
};

void run(std::size_t value_bytes, Noise& noise, Figures& figures,
         const std::function<void(std::uint64_t, std::span<std::byte>)>& put, const std::function<void()>& finish) {
  const std::size_t total = value_bytes >= 16 * MiB ? 512 * MiB : 256 * MiB;
  const Stopwatch watch;
  for (std::size_t at = 0; at < total; at += value_bytes) {
    const Stopwatch call;
    put(at, noise.part(at, value_bytes));
    figures.stall_ms.add(call.seconds() * 1e3);
  }
  finish();
  figures.rate.add(static_cast<double>(total) / 1e9 / watch.seconds());
}

void run_cairn(const Setup& setup, std::size_t bytes, Noise& noise, Figures& waiting, Figures& async) {
  const auto value = [](std::span<std::byte> content) {
    return cairn::Put{.bytes = content, .handover = cairn::Handover::move, .release = [] {}};
  };
  cairn::Store first = new_store(setup.folder, GiB);
  const auto put = [&](std::uint64_t, std::span<std::byte> content) { check(first.put(value(content))); };
  run(bytes, noise, waiting, put, [] {});
  check(first.close());
  cairn::Store second = new_store(setup.folder, GiB);
  const auto put_async = [&](std::uint64_t, std::span<std::byte> content) { second.put_async(value(content)); };
  run(bytes, noise, async, put_async, [&] { check(second.sync()); });
}

}  // namespace

void large_values(const Setup& setup) {
  Noise noise(512 * MiB);
  std::map<std::pair<std::size_t, std::string>, Figures> figures;
  for (int round = 0; round < setup.rounds; ++round) {
    for (const std::size_t bytes : kSizes) {
      run_cairn(setup, bytes, noise, figures[{bytes, "put"}], figures[{bytes, "put_async"}]);
      for (const PeerKind& kind : kPeers) {
        const bool there = with_peer(kind, setup.folder, [&](Peer& peer) {
          const auto put = [&](std::uint64_t key, std::span<std::byte> content) { peer.put(key, content); };
          run(bytes, noise, figures[{bytes, kind.name}], put, [] {});
        });
        if (!there && round == 0 && bytes == MiB) std::printf("left out, not built in: %s\n", kind.name);
      }
    }
  }
  head("Large values, each durable: GB/s (longest stall of the caller, ms)",
       {"store", "1 MiB", "4 MiB", "16 MiB", "64 MiB"});
  const auto print = [&](const std::string& name) {
    std::vector<std::string> cells{name};
    for (const std::size_t bytes : kSizes) {
      const Figures& f = figures[{bytes, name}];
      cells.push_back(f.rate.count() ? text("%.2f (%.0f)", f.rate.median(), f.stall_ms.most()) : "");
    }
    row(cells);
  };
  const std::string fio = text("%.2f", fio_write(setup.folder, Noise::Pages::ordinary));
  row({"fio, O_DIRECT, from pages of the same kind", fio, fio, fio, fio});
  print("put_async");
  print("put");
  for (const PeerKind& kind : kPeers) print(kind.name);
}

}  // namespace bench
