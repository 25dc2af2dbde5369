// SPDX-License-Identifier: Apache-2.0
//
// What one thread has of one log: its ring, the names it has used, and counts. Used by MetricLog only.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/results/metric_log.h"
#include "engine/results/metric_ring.h"

namespace cairn {

struct MetricLog::Producer {
  explicit Producer(std::size_t cells) : ring(cells) {}

  MetricRing ring;
  std::vector<MetricCell> row;  // the one at hand
  std::uint64_t number = 0;
  std::uint64_t round_end = 0;  // of the thread that writes: what this round drains
  // Written by the thread that logs alone, so that adding needs no lock.
  std::atomic<std::uint64_t> pushed = 0, dropped = 0, refused = 0;
  std::atomic<bool> has_ended = false;    // the thread has
  std::atomic<bool> is_released = false;  // the log has closed

  static void add(std::atomic<std::uint64_t>& count, std::uint64_t more) noexcept {
    count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
  void count_pushed(std::uint64_t values) noexcept { add(pushed, values); }
  void add_to(MetricLogStats& stats) const {
    stats.pushed += pushed.load(std::memory_order_relaxed);
    stats.dropped += dropped.load(std::memory_order_relaxed);
    stats.refused += refused.load(std::memory_order_relaxed);
  }

  // 0: not yet.
  std::uint32_t known(std::uint32_t run, std::string_view name) const {
    const auto found = ids_.find(Name{run, name});
    return found == ids_.end() ? 0 : found->second;
  }
  void remember(std::uint32_t run, std::string_view name, std::uint32_t id) {
    ids_.emplace(OwnedName{run, std::string(name)}, id);
  }

 private:
  struct Name {
    std::uint32_t run;
    std::string_view name;
  };
  struct OwnedName {
    std::uint32_t run;
    std::string name;
    operator Name() const { return {run, name}; }  // NOLINT(google-explicit-constructor)
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Name& name) const {
      return std::hash<std::string_view>()(name.name) ^ name.run * std::size_t{0x9E3779B97F4A7C15u};
    }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Name& a, const Name& b) const { return a.run == b.run && a.name == b.name; }
  };
  std::unordered_map<OwnedName, std::uint32_t, Hash, Equal> ids_;
};

}  // namespace cairn
