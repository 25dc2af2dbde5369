// SPDX-License-Identifier: Apache-2.0
//
// Elements of 1, 2, 4 or 8 bytes to planes of bytes and back. Each element, read as a
// little-endian integer, is rotated left before it is cut, so that an exponent which
// straddles two bytes lands in one; plane p holds byte p of every rotated element.
#pragma once

#include <array>
#include <cstddef>

#include "engine/codec/simd.h"

namespace cairn {

struct PlaneLayout {
  unsigned width = 1;     // bytes per element and planes: 1, 2, 4 or 8
  unsigned rotation = 0;  // bits, less than 8 × width
};

inline constexpr std::size_t kPlanesMax = 8;
using Planes = std::array<std::byte*, kPlanesMax>;
using ConstPlanes = std::array<const std::byte*, kPlanesMax>;

// Cuts `count` elements into layout.width planes of `count` bytes. Nothing overlaps; no
// pointer needs alignment.
void split_planes(const std::byte* elements, std::size_t count, PlaneLayout layout, const Planes& planes,
                  SimdLevel level) noexcept;

// The inverse.
void merge_planes(const ConstPlanes& planes, std::size_t count, PlaneLayout layout, std::byte* elements,
                  SimdLevel level) noexcept;

}  // namespace cairn
