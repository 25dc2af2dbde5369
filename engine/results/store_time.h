// SPDX-License-Identifier: Apache-2.0
//
// How long a store has been in use: the clock of TTLs and leases. It never goes backwards, nobody
// can set it, and it goes on after a restart where it was.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "engine/format/manifest.h"

namespace cairn {

// A clock that begins anew with each run of the machine, and that nobody can set.
struct MachineClock {
  std::uint64_t boot = 0;                 // which run
  std::function<std::uint64_t()> now_ns;  // since it began, times of sleep included
};
// CLOCK_BOOTTIME of this machine. Without /proc, each start of the process is taken for a run of its own.
MachineClock machine_clock();

// Any thread.
class StoreTime {
 public:
  // `known`: what the log last said. In the same run of the machine, the time since then has
  // passed for the store too; of a time that the machine was off, nothing is known.
  StoreTime(MachineClock machine, const std::optional<StoreClock>& known);

  std::uint64_t now_ns() { return now().store_time_ns; }
  // To be written with what relies on it.
  StoreClock now();

 private:
  const MachineClock machine_;
  std::uint64_t began_ns_ = 0;  // of the machine's clock
  std::uint64_t base_ns_ = 0;   // the store's time then
  std::atomic<std::uint64_t> latest_ns_ = 0;
};

}  // namespace cairn
