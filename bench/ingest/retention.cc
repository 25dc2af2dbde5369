// SPDX-License-Identifier: Apache-2.0
//
// What keeping the last five checkpoints costs a training process that saves every ten steps,
// while the space of the others is given back: on the disk, in the steps, in the calls.
//
// Expected. All of the state changes from one save to the next, so checkpoints die whole and
// mostly with the segments that hold them: what is reclaimed is removed files, and what is
// copied is where a segment holds parts of two checkpoints. On the disk there are the live ones,
// at most a fifth of the log dead (a quarter of what is live), and the end of the segment that is
// written to, for which space is taken beforehand. A step waits for nothing of this; it shares
// the machine with it.
//
// Held constant: noise, which no codec shortens, in borrowed tensors of 1 MiB; segments of 16 MiB;
// steps that take 10 ms of one core. The same steps with the same saves in a store that does not reclaim alternate with
// them, ten generations at a time; what that store has to be rid of goes between them. The disk is looked at once a
// generation, when it is committed.
#include <sys/stat.h>

#include <filesystem>
#include <optional>

#include "bench/ingest/measure.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::size_t kTensors = 32, kStateBytes = kTensors * MiB;
constexpr std::uint64_t kKept = 5;
constexpr int kStepsBetweenSaves = 10, kTurn = 10;
constexpr double kStepSeconds = 0.010;

volatile std::uint64_t sink = 0;  // keeps the work from being left out

// A core's work, not a time: what shares the core makes it longer.
std::uint64_t work(std::uint64_t rounds) {
  std::uint64_t x = rounds;
  for (std::uint64_t i = 0; i < rounds; ++i) x = mixed(x + i);
  return x;
}

std::uint64_t rounds_of_a_step() {
  std::uint64_t rounds = 100'000;
  for (int i = 0; i < 5; ++i) {
    const Stopwatch watch;
    sink = work(rounds);
    rounds = static_cast<std::uint64_t>(static_cast<double>(rounds) * kStepSeconds / watch.seconds());
  }
  return rounds;
}

double bytes_on_disk(const std::string& folder) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    struct stat found {};
    if (::stat(entry.path().c_str(), &found) == 0) bytes += 512.0 * static_cast<double>(found.st_blocks);
  }
  return bytes;
}

struct Way {
  cairn::Store store;
  Noise memory{kStateBytes};
  Samples step_ms, call_us, disk;
  std::uint64_t generation = 0;
  std::optional<cairn::Ticket> last;
};

cairn::Store open(const std::string& folder, bool reclaims) {
  cairn::StoreOptions options{.create = {.segment_bytes = 16 * MiB}, .writer = {.budget_bytes = 4 * kStateBytes}};
  if (reclaims) options.reclaim = cairn::ReclaimOptions{};
  auto store = cairn::Store::temporary(folder, options);
  if (!store.ok()) die(store.error().message);
  check(store->warm_up());
  return std::move(store).value();
}

void save(Way& way) {
  renew(way.memory.all());
  std::vector<cairn::Put> values;
  for (std::size_t t = 0; t < kTensors; ++t) {
    values.push_back({.bytes = way.memory.part(t * MiB, MiB),
                      .tensor = cairn::TensorLayout{.dtype = cairn::DType::f32, .shape = {MiB / 4}},
                      .handover = cairn::Handover::borrow,
                      .name = "layers." + std::to_string(t)});
  }
  const Stopwatch called;
  way.last = way.store.checkpoints("run").save(way.generation++, std::move(values),
                                               {.retention = cairn::RetentionPolicy{.keep_last = kKept}});
  way.call_us.add(called.seconds() * 1e6);
}

void train(Way& way, std::uint64_t rounds, int generations) {
  for (int g = 0; g < generations; ++g) {
    for (int s = 0; s < kStepsBetweenSaves; ++s) {
      const Stopwatch watch;
      sink = work(rounds);
      way.step_ms.add(watch.seconds() * 1e3);
    }
    // Committed by now, or nearly so; one more checkpoint would be on the disk until then.
    if (way.last) check(way.last->committed().wait());
    if (way.generation > 2 * kKept) way.disk.add(bytes_on_disk(way.store.info().path));
    save(way);
  }
  check(way.last->committed().wait());
}

}  // namespace

void retention(const Setup& setup) {
  const std::uint64_t rounds = rounds_of_a_step();
  Way with{.store = open(setup.folder, true)}, without{.store = open(setup.folder, false)};
  const int generations = 200 * setup.rounds;
  for (int done = 0; done < generations; done += kTurn) {
    train(with, rounds, kTurn);
    with.store.pause_reclaiming();
    train(without, rounds, kTurn);
    check(without.store.gc());
    with.store.resume_reclaiming();
  }
  const cairn::ReclaimStats reclaimed = with.store.reclaim_stats();
  if (!reclaimed.error.empty()) die(reclaimed.error);
  const double live = static_cast<double>(kKept * kStateBytes);
  const double megabyte = 1 / static_cast<double>(MiB);
  head(text("%d generations of 32 MiB, the last 5 kept; reclaiming gave back %.1f GiB and copied %.1f GiB", generations,
            static_cast<double>(reclaimed.freed_bytes) * megabyte / 1024,
            static_cast<double>(reclaimed.moved_bytes) * megabyte / 1024)
           .c_str(),
       {"what", "times", "median", "p99", "most", "unit", "goal"});
  const auto print = [](const char* what, const Samples& samples, double scale, const char* unit, const char* goal) {
    row({what, text("%zu", samples.count()), text("%.4g", samples.median() * scale),
         text("%.4g", samples.percentile(99) * scale), text("%.4g", samples.most() * scale), unit, goal});
  };
  print("on the disk, of the bytes of five checkpoints", with.disk, 1 / live, "", "1.3");
  print("a step, reclaiming", with.step_ms, 1, "ms", "1.03 of the next");
  print("a step, not reclaiming", without.step_ms, 1, "ms", "");
  print("the call of save(), reclaiming", with.call_us, 1, "us", "10000");
  print("the call of save(), not reclaiming", without.call_us, 1, "us", "");
  std::printf("\nMean step: %.4f of that without reclaiming. Longest step of reclaiming: %.1f ms of the log's time.\n",
              with.step_ms.mean() / without.step_ms.mean(), static_cast<double>(reclaimed.longest_step.count()) / 1e6);
}

}  // namespace bench
