// SPDX-License-Identifier: Apache-2.0
//
// How long things took, in buckets that are powers of two of a microsecond.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

struct Histogram {
  static constexpr std::size_t kBuckets = 28;
  // counts[i] is of times up to 2^i microseconds that are in no bucket before; the last
  // bucket is of all that took longer than 67 seconds.
  std::array<std::uint64_t, kBuckets> counts{};
  std::uint64_t total_ns = 0;  // of all of them

  // The longest time in a bucket, but for the last one.
  static constexpr std::uint64_t bound_us(std::size_t bucket) { return std::uint64_t{1} << bucket; }
  std::uint64_t count() const { return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}); }
};

}  // namespace cairn
#pragma GCC visibility pop
