// SPDX-License-Identifier: Apache-2.0
//
// The vector forms of byte_planes.h. Each handles a multiple of its vector length from
// the front and returns how many elements it did, which is 0 at SimdLevel::scalar; the
// scalar form does the rest.
#pragma once

#include "engine/codec/byte_planes.h"

namespace cairn {

std::size_t split_planes_simd(const std::byte* elements, std::size_t count, PlaneLayout layout, const Planes& planes,
                              SimdLevel level) noexcept;
std::size_t merge_planes_simd(const ConstPlanes& planes, std::size_t count, PlaneLayout layout, std::byte* elements,
                              SimdLevel level) noexcept;

}  // namespace cairn
