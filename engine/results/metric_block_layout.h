// SPDX-License-Identifier: Apache-2.0
//
// What encoder and decoder of a block share: the numbers of docs/format/metrics.md.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/results/metric_numbers.h"
#include "engine/results/metric_rows.h"

namespace cairn::metric_block {

inline constexpr std::string_view kStructure = "metric block";
inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::size_t kFixedBytes = 52;
inline constexpr std::size_t kDirectoryBytesAt = 48;
// A name's length, kind, width, count, nans, min, max, last, body's length.
inline constexpr std::size_t kColumnBytesMin = 4 + 1 + 1 + 4 + 4 + 3 * 8 + 4;
inline constexpr std::size_t kShapeBytesMin = 4;

// Nanoseconds of a tick, by the exponent that the head holds.
constexpr std::int64_t tick_of(std::uint8_t exponent) noexcept {
  return exponent == 0 ? 1 : exponent == 3 ? 1000 : exponent == 6 ? 1000000 : 0;
}

inline WordKind word_kind(MetricKind kind, std::uint8_t width) noexcept {
  if (kind != MetricKind::real) return WordKind::integer64;
  return width == 4 ? WordKind::float32 : WordKind::float64;
}

}  // namespace cairn::metric_block
