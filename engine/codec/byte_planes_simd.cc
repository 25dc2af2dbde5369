// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/byte_planes_simd.h"

namespace cairn {

std::size_t split_planes_simd(const std::byte*, std::size_t, PlaneLayout, const Planes&, SimdLevel) noexcept {
  return 0;
}
std::size_t merge_planes_simd(const ConstPlanes&, std::size_t, PlaneLayout, std::byte*, SimdLevel) noexcept {
  return 0;
}

}  // namespace cairn
