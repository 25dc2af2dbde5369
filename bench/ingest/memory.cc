// SPDX-License-Identifier: Apache-2.0
//
// The most memory that a process takes while it saves 64 MiB a thousand times by copy, as
// fast as the budget of 128 MiB lets it, beyond what it had before it opened the store.
//
// Expected. The budget's slabs, encoders and group heads, the index's tables: 128 MiB and a
// few tens more, the same after the first tenth as after the last.
//
// Held constant: a quarter of the blocks of each save is new (16 GiB in all); then 100
// saves of which every block is.
#include "bench/ingest/measure.h"
#include "bench/ingest/subjects.h"

namespace bench {
namespace {

constexpr std::size_t kValueBytes = 64 * MiB, kBudget = 128 * MiB;

double peak_mib() { return static_cast<double>(proc_self("status", "VmHWM")) / 1024; }

void forget_peak() {
  std::FILE* const file = std::fopen("/proc/self/clear_refs", "w");
  if (file == nullptr || std::fputs("5", file) < 0 || std::fclose(file) != 0) die("cannot reset VmHWM");
}

void save(const Setup& setup, std::size_t saves, std::size_t every, const char* name) {
  Noise value(kValueBytes);
  forget_peak();
  const double before = peak_mib();
  cairn::Store store = new_store(setup.folder, kBudget);
  double early = 0;
  for (std::size_t i = 0; i < saves; ++i) {
    renew(value.all(), every);
    store.put_async({.bytes = value.all()});
    if (i == saves / 10) early = peak_mib() - before;
  }
  check(store.sync());
  row({name, text("%.0f", early), text("%.0f", peak_mib() - before), "192"});
}

}  // namespace

void memory(const Setup& setup) {
  head("64 MiB by copy, again and again, budget 128 MiB: peak memory of the store in MiB",
       {"saves", "after a tenth", "after all", "goal"});
  save(setup, 1000, 4, "1,000, a quarter new");
  save(setup, 100, 1, "100, all new");
}

}  // namespace bench
