// SPDX-License-Identifier: Apache-2.0
#include "engine/results/store_time.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <string>

#include "engine/content/digester.h"

namespace cairn {
namespace {

std::uint64_t boot_time_ns() {
  timespec now{};
  static_cast<void>(::clock_gettime(CLOCK_BOOTTIME, &now));
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

MachineClock machine_clock() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  if (boot.empty()) boot = std::to_string(::getpid()) + " " + std::to_string(boot_time_ns());
  return {.boot = checksum_of(as_bytes(boot)), .now_ns = &boot_time_ns};
}

StoreTime::StoreTime(MachineClock machine, const std::optional<StoreClock>& known)
    : machine_(std::move(machine)), began_ns_(machine_.now_ns()) {
  if (known) {
    base_ns_ = known->store_time_ns;
    if (known->boot == machine_.boot && known->boot_time_ns <= began_ns_) base_ns_ += began_ns_ - known->boot_time_ns;
  }
  latest_ns_ = base_ns_;
}

StoreClock StoreTime::now() {
  const std::uint64_t machine_ns = std::max(machine_.now_ns(), began_ns_);
  std::uint64_t now_ns = base_ns_ + (machine_ns - began_ns_);
  std::uint64_t latest_ns = latest_ns_.load();
  while (latest_ns < now_ns && !latest_ns_.compare_exchange_weak(latest_ns, now_ns)) {
  }
  now_ns = std::max(now_ns, latest_ns);
  return {.store_time_ns = now_ns, .boot = machine_.boot, .boot_time_ns = machine_ns};
}

}  // namespace cairn
