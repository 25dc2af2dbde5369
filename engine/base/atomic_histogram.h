// SPDX-License-Identifier: Apache-2.0
//
// A Histogram (cairn/histogram.h) that any thread adds to, and any thread reads.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>

#include "cairn/histogram.h"

namespace cairn {

class AtomicHistogram {
 public:
  void add(std::chrono::nanoseconds time) noexcept {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
    const std::uint64_t us = (ns + 999) / 1000;
    const std::size_t bucket = us <= 1 ? 0 : static_cast<std::size_t>(std::bit_width(us - 1));
    counts_[std::min(bucket, Histogram::kBuckets - 1)].fetch_add(1, std::memory_order_relaxed);
    total_ns_.fetch_add(ns, std::memory_order_relaxed);
  }
  // What is added meanwhile may be counted in part.
  Histogram read() const noexcept {
    Histogram all;
    for (std::size_t i = 0; i < Histogram::kBuckets; ++i) all.counts[i] = counts_[i].load(std::memory_order_relaxed);
    all.total_ns = total_ns_.load(std::memory_order_relaxed);
    return all;
  }

 private:
  std::array<std::atomic<std::uint64_t>, Histogram::kBuckets> counts_{};
  std::atomic<std::uint64_t> total_ns_{0};
};

}  // namespace cairn
