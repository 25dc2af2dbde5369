// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/byte_planes.h"

#include <bit>
#include <cstring>

#include "engine/base/endian.h"
#include "engine/codec/byte_planes_simd.h"

namespace cairn {
namespace {

template <std::unsigned_integral T>
void split_scalar(const std::byte* elements, std::size_t from, std::size_t count, unsigned rotation,
                  const Planes& planes) noexcept {
  for (std::size_t i = from; i < count; ++i) {
    const T element = std::rotl(load_le<T>(elements + i * sizeof(T)), static_cast<int>(rotation));
    for (std::size_t p = 0; p < sizeof(T); ++p) planes[p][i] = static_cast<std::byte>(element >> (8 * p));
  }
}

template <std::unsigned_integral T>
void merge_scalar(const ConstPlanes& planes, std::size_t from, std::size_t count, unsigned rotation,
                  std::byte* elements) noexcept {
  for (std::size_t i = from; i < count; ++i) {
    T element = 0;
    for (std::size_t p = 0; p < sizeof(T); ++p) {
      element = static_cast<T>(element | static_cast<T>(static_cast<T>(planes[p][i]) << (8 * p)));
    }
    store_le(elements + i * sizeof(T), std::rotr(element, static_cast<int>(rotation)));
  }
}

}  // namespace

void split_planes(const std::byte* elements, std::size_t count, PlaneLayout layout, const Planes& planes,
                  SimdLevel level) noexcept {
  if (layout.width == 1 && layout.rotation == 0) {
    if (count != 0) std::memcpy(planes[0], elements, count);
    return;
  }
  const std::size_t done = split_planes_simd(elements, count, layout, planes, level);
  switch (layout.width) {
    case 2: return split_scalar<std::uint16_t>(elements, done, count, layout.rotation, planes);
    case 4: return split_scalar<std::uint32_t>(elements, done, count, layout.rotation, planes);
    case 8: return split_scalar<std::uint64_t>(elements, done, count, layout.rotation, planes);
    default: return split_scalar<std::uint8_t>(elements, done, count, layout.rotation, planes);
  }
}

void merge_planes(const ConstPlanes& planes, std::size_t count, PlaneLayout layout, std::byte* elements,
                  SimdLevel level) noexcept {
  if (layout.width == 1 && layout.rotation == 0) {
    if (count != 0) std::memcpy(elements, planes[0], count);
    return;
  }
  const std::size_t done = merge_planes_simd(planes, count, layout, elements, level);
  switch (layout.width) {
    case 2: return merge_scalar<std::uint16_t>(planes, done, count, layout.rotation, elements);
    case 4: return merge_scalar<std::uint32_t>(planes, done, count, layout.rotation, elements);
    case 8: return merge_scalar<std::uint64_t>(planes, done, count, layout.rotation, elements);
    default: return merge_scalar<std::uint8_t>(planes, done, count, layout.rotation, elements);
  }
}

}  // namespace cairn
