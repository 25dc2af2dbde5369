// SPDX-License-Identifier: Apache-2.0
//
// What is kept of a block of elements to find others that resemble it, without reading them again: a few
// elements, always at the same places, and in what order they are.
//
// The order of two elements survives small changes to all of them, whatever their type and scale, and is a
// coin's throw between blocks that have nothing to do with each other. Bits that say it for many pairs
// are a locality-sensitive hash: Yagnik, Strelow, Ross and Lin, "The Power of Comparative Reasoning" (ICCV 2011), with
// windows of two. In bands of 16 they find candidates by lookup: of pairs of which one in fifty changed
// its order, a band survives in 7 of 10 cases, and of strangers' in one of 65,536.
#pragma once

#include <array>
#include <cstdint>

#include "cairn/dtype.h"
#include "engine/base/bytes.h"

namespace cairn {

struct Sketch {
  static constexpr std::size_t kSamples = 256;
  static constexpr std::size_t kBands = 16;

  std::array<std::uint32_t, kSamples> samples;  // in the order of the values; of 64-bit elements the upper half
  std::array<std::uint16_t, kBands> bands;
};

// Less than this is not worth a look. `content` of sketch_of() has at least as much.
inline constexpr std::size_t kSketchBytesMin = 4096;

Sketch sketch_of(Bytes content, DType dtype) noexcept;

// How much of an element its difference from the other's takes, on average over the samples: 0 when all
// are equal, 1 when differences are as long as elements. Both are of blocks of one size and dtype.
double distance(const Sketch& a, const Sketch& b, DType dtype) noexcept;

// Where differences are longer, by distance(), they gain nothing beside what a block takes by itself. Of floats: their
// mantissas, and some two bits for each sign and exponent. Of integers: seven eighths of what it takes from one
// sample to the next, as from a stranger.
double similar_distance(const Sketch& sketch, DType dtype) noexcept;

}  // namespace cairn
