// SPDX-License-Identifier: Apache-2.0
//
// What put_async costs the thread that calls it, beside memcpy on the same thread.
//
// Expected. A copy reads the value once and writes it once past the cache: what memcpy of
// that size does, so 1.0 of it plus a lock for each block. A burst shares the memory and the
// cores with the writer's threads, which digest what was copied before. Handing memory over
// copies nothing and allocates a few hundred bytes, whatever the size; what remains is to wake
// the writer.
//
// Held constant: noise on ordinary pages, no block put twice, a budget that holds a whole
// burst, so that the disk is not what is measured. memcpy writes to memory that was touched.
// The first two values handed over to a new store are not counted.
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "bench/ingest/measure.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::size_t kCopyBytes = 64 * MiB;
constexpr std::size_t kPauses = 25, kBurst = 8;  // values in each round

void copy_cost(const Setup& setup) {
  Noise value(kCopyBytes), target(kCopyBytes);
  Samples memcpy_ms, paused_ms, burst_ms;
  const auto put = [&](cairn::Store& store, Samples& into) {
    renew(value.all());
    const Stopwatch watch;
    const cairn::Ticket ticket = store.put_async({.bytes = value.all()});
    into.add(watch.seconds() * 1e3);
  };
  for (int round = 0; round < setup.rounds; ++round) {
    cairn::Store store = new_store(setup.folder, 768 * MiB);
    for (std::size_t i = 0; i < kPauses; ++i) {
      const Stopwatch watch;
      std::memcpy(target.all().data(), value.all().data(), kCopyBytes);
      memcpy_ms.add(watch.seconds() * 1e3);
      put(store, paused_ms);
      check(store.sync());
    }
    for (std::size_t burst = 0; burst < 2; ++burst) {
      for (std::size_t i = 0; i < kBurst; ++i) put(store, burst_ms);
      check(store.sync());
    }
  }
  const auto print = [&](const char* what, const Samples& ms, const char* goal) {
    row({what, text("%zu", ms.count()), text("%.1f", ms.median()), text("%.1f", ms.percentile(99)),
         text("%.2f", ms.median() / memcpy_ms.median()), text("%.2f", ms.percentile(99) / memcpy_ms.median()), goal});
  };
  head("64 MiB by copy, on the caller's thread",
       {"what", "calls", "median ms", "p99 ms", "median of memcpy's", "p99 of memcpy's median", "goal"});
  print("memcpy", memcpy_ms, "");
  print("put_async(copy), the writer idle", paused_ms, "1.10, p99 1.3");
  print("put_async(copy), 8 in a burst", burst_ms, "");
}

// Microseconds that it takes to wake a thread that sleeps: what every put to an idle writer
// takes at least.
Samples wake_cost() {
  Samples us;
  std::mutex mutex;
  std::condition_variable woken;
  std::size_t calls = 0;
  constexpr std::size_t kCalls = 300;
  std::thread sleeper([&] {
    std::unique_lock lock(mutex);
    woken.wait(lock, [&] { return calls == kCalls; });
  });
  while (calls < kCalls) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const Stopwatch watch;
    {
      const std::lock_guard lock(mutex);
      ++calls;
    }
    woken.notify_one();
    us.add(watch.seconds() * 1e6);
  }
  sleeper.join();
  return us;
}

void handover_cost(const Setup& setup) {
  head("Memory handed over, on the caller's thread, the writer asleep",
       {"size", "calls", "move p50 us", "move p99 us", "borrow p50 us", "borrow p99 us", "goal"});
  const Samples wake = wake_cost();
  row({"waking a thread", text("%zu", wake.count()), text("%.1f", wake.median()), text("%.1f", wake.percentile(99)), "",
       "", ""});
  for (const std::size_t bytes : {64 * KiB, MiB, 64 * MiB, GiB}) {
    Noise value(bytes);
    Samples us[2];
    const std::size_t calls = bytes >= GiB ? 12 : bytes >= 64 * MiB ? 80 : 200;
    for (int round = 0; round < setup.rounds; ++round) {
      cairn::Store store = new_store(setup.folder, 256 * MiB);
      for (std::size_t i = 0; i < calls + 2; ++i) {
        renew(value.all());
        const bool move = i % 2 == 0;
        cairn::Put put{.bytes = value.all(), .handover = move ? cairn::Handover::move : cairn::Handover::borrow};
        if (move) put.release = [] {};
        const Stopwatch watch;
        const cairn::Ticket ticket = store.put_async(std::move(put));
        if (i >= 2) us[move ? 0 : 1].add(watch.seconds() * 1e6);
        check(store.sync());
      }
    }
    row({size_name(bytes), text("%zu", us[0].count()), text("%.1f", us[0].median()), text("%.1f", us[0].percentile(99)),
         text("%.1f", us[1].median()), text("%.1f", us[1].percentile(99)), "p99 10"});
  }
}

}  // namespace

void caller_cost(const Setup& setup) {
  copy_cost(setup);
  handover_cost(setup);
}

}  // namespace bench
