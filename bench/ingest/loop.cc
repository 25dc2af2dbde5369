// SPDX-License-Identifier: Apache-2.0
//
// A loop of work on one thread that logs 38 scalars after every step, beside the same loop that logs nothing.
//
// Expected. A row of 38 is looked up by name and copied into the thread's ring: some microseconds of a step of
// milliseconds. Blocks are made and written by the store's threads: on another processor where one is free; where none
// is, they take their share of the loop's, some microseconds of processor a row.
//
// Held constant: the work, a product of matrices; the order of the two ways, which take turns, so that a machine that
// changes its pace changes both; 100 steps in each turn. With no processor free, a thread spins on each of the others.
#include <atomic>
#include <thread>

#include "bench/ingest/measure.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::size_t kSide = 320, kScalars = 38, kSteps = 100;

// Work that no compiler leaves out: its result goes into what is logged.
class Work {
 public:
  Work() : a_(kSide * kSide), b_(kSide * kSide), c_(kSide * kSide) {
    for (std::size_t i = 0; i < a_.size(); ++i) {
      a_[i] = static_cast<float>(mixed(i) >> 40) * 0x1p-24F;
      b_[i] = static_cast<float>(mixed(~i) >> 40) * 0x1p-24F;
    }
  }
  float step() {
    a_[0] += 1e-3F;
    std::fill(c_.begin(), c_.end(), 0.0F);
    for (std::size_t i = 0; i < kSide; ++i) {
      for (std::size_t k = 0; k < kSide; ++k) {
        const float factor = a_[i * kSide + k];
        for (std::size_t j = 0; j < kSide; ++j) c_[i * kSide + j] += factor * b_[k * kSide + j];
      }
    }
    return c_[kSide + 1];
  }

 private:
  std::vector<float> a_, b_, c_;
};

class Spinners {
 public:
  explicit Spinners(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      threads_.emplace_back([this] {
        while (!over_.load(std::memory_order_relaxed)) continue;
      });
    }
  }
  ~Spinners() {
    over_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> over_ = false;
  std::vector<std::thread> threads_;
};

void measure(const Setup& setup, const char* name, std::size_t spinners) {
  cairn::Store store = new_store(setup.folder, 256 * MiB);
  auto metrics = store.metrics();
  check(metrics);
  auto run = metrics->run("loop");
  check(run);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kScalars; ++i) names.push_back(text("layer%zu.grad_norm", i));
  std::vector<cairn::NamedMetric> values;
  for (const std::string& one : names) values.push_back({one, 0.0F});
  Work work;
  std::int64_t step = 0;
  Samples calls_us;
  const auto turn = [&](bool logs) {
    const Stopwatch watch;
    for (std::size_t i = 0; i < kSteps; ++i) {
      const float result = work.step();
      if (!logs) continue;
      const Stopwatch call;
      for (std::size_t k = 0; k < kScalars; ++k) values[k].value = result + static_cast<float>(k);
      check(run->log(step++, values));
      calls_us.add(call.seconds() * 1e6);
    }
    return watch.seconds() * 1e3 / kSteps;
  };
  const Spinners busy(spinners);
  turn(true);
  Samples without, with, ratios;
  for (int round = 0; round < setup.rounds * 3; ++round) {
    // Whichever comes first, so that no drift favours one.
    const bool logs_first = round % 2 == 0;
    const double first = turn(logs_first), second = turn(!logs_first);
    with.add(logs_first ? first : second);
    without.add(logs_first ? second : first);
    ratios.add(without.last() / with.last());
  }
  check(metrics->flush());
  row({name, text("%.2f", without.median()), text("%.2f", with.median()), text("%.1f", calls_us.median()),
       text("%.1f", calls_us.percentile(99.9)), text("%.4f", ratios.median())});
  check(store.close());
}

}  // namespace

void loop(const Setup& setup) {
  head("A loop that logs 38 scalars a step (goal: 0.98 of its rate)",
       {"processors", "ms a step, silent", "ms, logging", "us a call, median", "us, p99.9", "of the rate"});
  const std::size_t others = std::max(2u, std::thread::hardware_concurrency()) - 1;
  measure(setup, "one is free", others - 1);
  measure(setup, "none is free", others);
}

}  // namespace bench
