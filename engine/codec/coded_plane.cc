// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/coded_plane.h"

#include <algorithm>
#include <cstring>

#include "engine/base/endian.h"

namespace cairn {
namespace {

// The largest plane is that of a block of 16 MiB of single bytes.
constexpr std::size_t kSegmentsMax = 16 * MiB / kSegmentBytes;

using Lengths = std::array<std::uint8_t, 256>;

std::size_t distinct_bytes(const ByteCounts& counts) noexcept {
  return counts.size() - static_cast<std::size_t>(std::count(counts.begin(), counts.end(), 0U));
}

// The size of the body of `count` bytes, as far as counts of a part of them tell.
std::uint64_t body_bytes(const ByteCounts& counts, const Lengths& lengths, std::uint64_t count) noexcept {
  std::uint64_t bits = 0, counted = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    bits += std::uint64_t{counts[i]} * lengths[i];
    counted += counts[i];
  }
  return bits * count / counted / 8 + kHuffmanPresentBytes + distinct_bytes(counts) / 2 + kHuffmanSizesBytes +
         kHuffmanStreams;
}

std::size_t encode_with(const Lengths& lengths, Bytes plane, std::byte* out, SimdLevel level) noexcept {
  HuffmanCode code{.length = lengths, .bits = {}};
  assign_canonical(code);
  return huffman_encode(plane, code, out, level);
}

// How one segment is stored. Constant if it has no lengths, raw if its code does not pay.
struct SegmentPlan {
  Lengths lengths{};
  bool raw = false;
  std::uint64_t bytes = 1;
};

SegmentPlan plan_segment(const ByteCounts& counts, std::uint64_t size) noexcept {
  SegmentPlan plan;
  if (distinct_bytes(counts) == 1) return plan;
  plan.lengths = huffman_lengths(counts);
  plan.bytes = body_bytes(counts, plan.lengths, size);
  plan.raw = plan.bytes >= size - size / 64;
  if (plan.raw) plan.bytes = size;
  return plan;
}

// A body of one byte is a constant and one of the segment's size is raw; a Huffman body
// is larger than the one and, or it is not used, smaller than the other.
std::size_t encode_segment(const SegmentPlan& plan, Bytes segment, std::byte* out, SimdLevel level) noexcept {
  if (plan.bytes == 1) {
    out[0] = segment[0];
    return 1;
  }
  const std::size_t size = plan.raw ? segment.size() : encode_with(plan.lengths, segment, out, level);
  if (!plan.raw && size < segment.size()) return size;
  std::memcpy(out, segment.data(), segment.size());
  return segment.size();
}

bool decode_segment(Bytes body, MutableBytes into, HuffmanDecoder& huffman, SimdLevel level) noexcept {
  if (body.size() == 1) {
    std::fill(into.begin(), into.end(), body[0]);
    return true;
  }
  if (body.size() == into.size()) {
    std::memcpy(into.data(), body.data(), body.size());
    return true;
  }
  return huffman.decode(body, into, level);
}

}  // namespace

CodedPlane encode_plane(Bytes plane, std::byte* out, SimdLevel level) noexcept {
  const std::size_t segments = (plane.size() + kSegmentBytes - 1) / kSegmentBytes;
  const auto segment = [&](std::size_t i) {
    return plane.subspan(i * kSegmentBytes, std::min(kSegmentBytes, plane.size() - i * kSegmentBytes));
  };

  // The counts of the whole are those of its parts, so asking for both costs one look.
  ByteCounts counts{};
  std::array<SegmentPlan, kSegmentsMax> plans;
  std::uint64_t segmented_bytes = 0;
  for (std::size_t i = 0; i < segments; ++i) {
    const ByteCounts part = count_for_code(segment(i), level);
    for (std::size_t b = 0; b < counts.size(); ++b) counts[b] += part[b];
    if (segments == 1 || i >= kSegmentsMax) continue;
    plans[i] = plan_segment(part, segment(i).size());
    segmented_bytes += 4 + plans[i].bytes;
  }
  if (distinct_bytes(counts) == 1) return {PlaneKind::constant, 0};

  const Lengths shared = huffman_lengths(counts);
  const std::uint64_t shared_bytes = body_bytes(counts, shared, plane.size());
  // Tables cost time on both sides: they must save a 128th.
  const bool by_segment =
      segments > 1 && segments <= kSegmentsMax && segmented_bytes + shared_bytes / 128 < shared_bytes;
  if ((by_segment ? segmented_bytes : shared_bytes) >= plane.size() - plane.size() / 64) {
    std::memcpy(out, plane.data(), plane.size());
    return {PlaneKind::raw, plane.size()};
  }
  if (!by_segment) return {PlaneKind::huffman, encode_with(shared, plane, out, level)};
  std::byte* at = out;
  for (std::size_t i = 0; i < segments; ++i) {
    const std::size_t size = encode_segment(plans[i], segment(i), at + 4, level);
    store_le(at, static_cast<std::uint32_t>(size));
    at += 4 + size;
  }
  return {PlaneKind::huffman_segments, static_cast<std::size_t>(at - out)};
}

bool decode_plane(PlaneKind kind, Bytes body, MutableBytes into, HuffmanDecoder& huffman, SimdLevel level) noexcept {
  if (kind == PlaneKind::huffman) return huffman.decode(body, into, level);
  ByteReader reader(body);
  for (std::size_t at = 0; at < into.size(); at += kSegmentBytes) {
    const auto size = reader.get<std::uint32_t>();
    const auto part = size ? reader.get_bytes(*size) : std::nullopt;
    if (!part || !decode_segment(*part, into.subspan(at, std::min(kSegmentBytes, into.size() - at)), huffman, level)) {
      return false;
    }
  }
  return reader.exhausted();
}

}  // namespace cairn
