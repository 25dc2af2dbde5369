// SPDX-License-Identifier: Apache-2.0
//
// A reader in another process beside a writer at full speed: after what time it finds what
// the writer's ticket has called committed, and what its reading costs the writer.
//
// Expected. The reader asks every millisecond, reads 40 bytes to learn how far the log is
// synced, and applies a few heads of groups: it is milliseconds behind. It shares memory and
// cores with the writer, so its own work (a block read and verified for each value) is what
// the writer loses.
//
// Held constant: 64 MiB values, borrowed, one block of each new, so that the processor is the
// bound and not the disk; windows of 12 s with the reader and 3 s without, in turn. A round is one
// of each: 50 rounds are ten minutes of reading. Behind each round, outside of what is measured,
// all but its last values are removed and their space is given back, under the reader's eyes.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <thread>

#include "bench/ingest/measure.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::size_t kValueBytes = 64 * MiB;
constexpr int kReadingSeconds = 12, kAloneSeconds = 3;
constexpr std::size_t kSamplesMax = 1 << 20;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// What the two processes share. The writer fills `id` only after the reader has seen the last.
struct Shared {
  std::atomic<bool> reading, over;
  std::atomic<std::uint64_t> committed_ns;  // when the value `id` was; 0: the reader has seen it
  char id[96];
  std::atomic<std::uint64_t> errors, seen;
  float late_ms[kSamplesMax];
  char first_error[256];
};

void fail(Shared& shared, const std::string& why) {
  if (shared.errors++ == 0) std::snprintf(shared.first_error, sizeof shared.first_error, "%s", why.c_str());
}

void read_along(Shared& shared, const std::string& path) {
  auto store = cairn::Store::open(path, {.access = cairn::Access::read_only});
  if (!store.ok()) return fail(shared, store.error().message);
  std::vector<std::byte> block(MiB);
  while (!shared.over) {
    const std::uint64_t committed = shared.committed_ns.load(std::memory_order_acquire);
    if (committed == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    const std::string id = shared.id;
    for (;;) {
      const auto found = store->contains(id);
      if (!found.ok()) fail(shared, found.error().message);
      if (found.ok() && *found) break;
      if (now_ns() - committed > 5'000'000'000) {
        fail(shared, "not found after 5 s: " + id);
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const std::uint64_t at = shared.seen++;
    if (at < kSamplesMax) shared.late_ms[at] = static_cast<float>(static_cast<double>(now_ns() - committed) / 1e6);
    if (const auto read = store->get_range(id, 0, block); !read.ok()) fail(shared, read.error().message);
    shared.committed_ns.store(0, std::memory_order_release);
  }
}

// GB/s that became committed, and the tickets of the values.
double write_for(cairn::Store& store, Noise& noise, Shared& shared, int seconds, std::deque<cairn::Ticket>& put) {
  const Stopwatch watch;
  std::size_t values = 0;
  while (watch.seconds() < seconds) {
    const std::span<std::byte> value = noise.part(values++ % 4 * kValueBytes, kValueBytes);
    renew(value, kValueBytes / MiB);
    const cairn::Ticket& ticket =
        put.emplace_back(store.put_async({.bytes = value, .handover = cairn::Handover::borrow}));
    ticket.committed().on_ready([&shared, ticket](const cairn::Status& status) {
      if (!status.ok()) die(status.error().message);
      if (!shared.reading || shared.committed_ns != 0) return;
      std::snprintf(shared.id, sizeof shared.id, "%s", ticket.id().value().c_str());
      shared.committed_ns.store(now_ns(), std::memory_order_release);
    });
    // The memory is used again by the fourth value from here.
    if (values % 4 == 0) check(ticket.staged().wait());
  }
  check(store.sync());
  return static_cast<double>(values * kValueBytes) / 1e9 / watch.seconds();
}

// The newest values keep what those that follow have in common with them.
void give_back(cairn::Store& store, std::deque<cairn::Ticket>& put) {
  constexpr std::size_t kKept = 4;
  for (; put.size() > kKept; put.pop_front()) check(store.remove(put.front().id().value()));
  check(store.gc());
}

}  // namespace

void live_reader(const Setup& setup) {
  void* const memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("no memory");
  Shared& shared = *new (memory) Shared{};
  const std::string path = setup.folder + "/live-store";
  static_cast<void>(cairn::Store::destroy(path).ok());
  check(cairn::Store::create(path));
  std::fflush(stdout);
  const pid_t reader = ::fork();
  if (reader < 0) die("no process");
  if (reader == 0) {
    read_along(shared, path);
    ::_exit(0);
  }
  Samples with_reader, alone;
  {
    Noise noise(4 * kValueBytes);
    auto store = cairn::Store::open(path);
    check(store);
    check(store->warm_up());
    std::deque<cairn::Ticket> put;
    for (int round = 0; round < setup.rounds; ++round) {
      shared.reading = true;
      with_reader.add(write_for(*store, noise, shared, kReadingSeconds, put));
      shared.reading = false;
      // What it was told of last, it finds before that is removed.
      for (const Stopwatch patience; shared.committed_ns != 0;) {
        if (patience.seconds() > 10) die("the reader does not find what was committed");
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      alone.add(write_for(*store, noise, shared, kAloneSeconds, put));
      give_back(*store, put);
    }
    check(store->close());
  }
  shared.over = true;
  int status = 1;
  if (::waitpid(reader, &status, 0) != reader || status != 0) die("the reader died");
  check(cairn::Store::destroy(path));
  Samples late;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(shared.seen, kSamplesMax); ++i) late.add(shared.late_ms[i]);
  head("A reader in another process beside the writer",
       {"read for s", "values seen", "errors", "late p50 ms", "late p99 ms", "latest ms (goal 100)", "writer GB/s",
        "without the reader", "of that (goal 0.98)"});
  row({text("%d", setup.rounds * kReadingSeconds), text("%zu", late.count()),
       text("%llu", static_cast<unsigned long long>(shared.errors)), text("%.1f", late.median()),
       text("%.1f", late.percentile(99)), text("%.1f", late.most()), text("%.2f", with_reader.median()),
       text("%.2f", alone.median()), text("%.3f", with_reader.median() / alone.median())});
  if (shared.errors > 0) die(std::string("the reader's first error: ") + shared.first_error);
}

}  // namespace bench
