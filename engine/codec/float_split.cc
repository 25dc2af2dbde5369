// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/float_split.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/base/endian.h"

namespace cairn {
namespace {

constexpr std::size_t kHeadBytes = 6;      // width, rotation, content size
constexpr std::size_t kEntryBytesMax = 5;  // plane and kind, size

constexpr std::byte entry_byte(unsigned plane, PlaneKind kind) noexcept {
  return static_cast<std::byte>(plane << 4 | static_cast<unsigned>(kind));
}

constexpr bool is_coded(PlaneMask mask, unsigned plane) noexcept { return (mask >> plane & 1U) != 0; }

bool is_valid(PlaneLayout layout) noexcept {
  return layout.width <= kPlanesMax && std::has_single_bit(layout.width) && layout.rotation < 8 * layout.width;
}

}  // namespace

PlaneLayout plane_layout(DType dtype) noexcept {
  switch (dtype) {
    // Rotated by the sign's bit: the highest byte begins with the exponent, the sign ends
    // up below the mantissa's last bit.
    case DType::f16:
    case DType::bf16:
    case DType::complex32: return {2, 1};
    case DType::f32:
    case DType::complex64: return {4, 1};
    // Rotated by the sign and the three exponent bits that hardly ever change: the highest
    // byte is the rest of the exponent.
    case DType::f64:
    case DType::complex128: return {8, 4};
    case DType::u16:
    case DType::i16: return {2, 0};
    case DType::u32:
    case DType::i32: return {4, 0};
    case DType::u64:
    case DType::i64: return {8, 0};
    default: return {1, 0};
  }
}

Bytes encode_float_split(Bytes content, PlaneLayout layout, PlaneMask coded, Buffer& scratch_payload,
                         Buffer& scratch_planes, SimdLevel level) {
  const unsigned width = layout.width;
  const std::size_t count = content.size() / width;
  const std::size_t tail = content.size() % width;

  // The directory's size depends on what becomes of the coded planes, so it is written
  // last, in front of the bodies, into a gap left for its greatest size.
  constexpr std::size_t kGap = kHeadBytes + kEntryBytesMax * kPlanesMax + kPlanesMax;
  std::byte* const bodies = scratch_payload.at_least(kGap + width * coded_plane_bound(count)) + kGap;
  std::byte* const spare = scratch_planes.at_least(count * width);
  std::byte* body = bodies;
  std::array<std::byte, kGap> directory;
  std::byte* entry = directory.data();
  *entry++ = static_cast<std::byte>(width);
  *entry++ = static_cast<std::byte>(layout.rotation);
  store_le(entry, static_cast<std::uint32_t>(content.size()));
  entry += 4;

  // Planes not worth coding are cut straight into the payload.
  Planes planes{};
  for (unsigned p = 0; p < width; ++p) {
    if (is_coded(coded, p)) {
      planes[p] = spare + p * count;
    } else {
      planes[p] = body;
      body += count;
      *entry++ = entry_byte(p, PlaneKind::raw);
    }
  }
  split_planes(content.data(), count, layout, planes, level);

  for (unsigned p = 0; p < width; ++p) {
    if (!is_coded(coded, p)) continue;
    const CodedPlane result = encode_plane({planes[p], count}, body, level);
    body += result.size;
    *entry++ = entry_byte(p, result.kind);
    if (result.kind == PlaneKind::constant) {
      *entry++ = planes[p][0];
    } else if (result.kind != PlaneKind::raw) {
      store_le(entry, static_cast<std::uint32_t>(result.size));
      entry += 4;
    }
  }

  if (tail != 0) std::memcpy(entry, content.data() + count * width, tail);
  const auto directory_size = static_cast<std::size_t>(entry + tail - directory.data());
  std::byte* const begin = bodies - directory_size;
  std::memcpy(begin, directory.data(), directory_size);
  return {begin, static_cast<std::size_t>(body - begin)};
}

const char* decode_float_split(Bytes payload, MutableBytes into, Buffer& scratch_planes, HuffmanDecoder& huffman,
                               SimdLevel level) {
  ByteReader reader(payload);
  const auto width = reader.get<std::uint8_t>();
  const auto rotation = reader.get<std::uint8_t>();
  const auto size = reader.get<std::uint32_t>();
  if (!width || !rotation || !size) return "the head is cut short";
  if (*size != into.size()) return "it is of a block of another size";
  const PlaneLayout layout{*width, *rotation};
  if (!is_valid(layout)) return "the width or rotation is none that exists";
  const std::size_t count = into.size() / layout.width;
  const std::size_t tail_size = into.size() % layout.width;

  struct Entry {
    unsigned plane = 0;
    PlaneKind kind = PlaneKind::raw;
    std::uint8_t value = 0;  // of a constant plane
    std::uint32_t size = 0;  // of a coded plane's body
  };
  std::array<Entry, kPlanesMax> entries{};
  PlaneMask seen = 0;
  for (unsigned i = 0; i < layout.width; ++i) {
    const auto head = reader.get<std::uint8_t>();
    if (!head) return "the plane directory is cut short";
    Entry& entry = entries[i];
    entry.plane = *head >> 4;
    entry.kind = static_cast<PlaneKind>(*head & 15);
    if (entry.plane >= layout.width || is_coded(seen, entry.plane)) return "the directory names a plane twice or none";
    seen |= PlaneMask{1} << entry.plane;
    if (entry.kind == PlaneKind::constant) {
      const auto value = reader.get<std::uint8_t>();
      if (!value) return "the plane directory is cut short";
      entry.value = *value;
    } else if (entry.kind == PlaneKind::huffman || entry.kind == PlaneKind::huffman_segments) {
      const auto body_size = reader.get<std::uint32_t>();
      if (!body_size) return "the plane directory is cut short";
      entry.size = *body_size;
    } else if (entry.kind != PlaneKind::raw) {
      return "a plane's kind is none that exists";
    }
  }
  const auto tail = reader.get_bytes(tail_size);
  if (!tail) return "the tail is cut short";

  ConstPlanes planes{};
  std::byte* const spare = scratch_planes.at_least(into.size());
  for (unsigned i = 0; i < layout.width; ++i) {
    const Entry& entry = entries[i];
    std::byte* const plane = spare + entry.plane * count;
    planes[entry.plane] = plane;
    if (entry.kind == PlaneKind::constant) {
      std::fill_n(plane, count, static_cast<std::byte>(entry.value));
      continue;
    }
    const auto body = reader.get_bytes(entry.kind == PlaneKind::raw ? count : entry.size);
    if (!body) return "a plane is cut short";
    if (entry.kind == PlaneKind::raw) {
      planes[entry.plane] = body->data();
    } else if (!decode_plane(entry.kind, *body, {plane, count}, huffman, level)) {
      return "a coded plane does not decode to its size";
    }
  }
  if (!reader.exhausted()) return "there are bytes after the last plane";

  merge_planes(planes, count, layout, into.data(), level);
  if (tail_size != 0) std::memcpy(into.data() + count * layout.width, tail->data(), tail_size);
  return nullptr;
}

}  // namespace cairn
