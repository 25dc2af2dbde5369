// SPDX-License-Identifier: Apache-2.0
//
// FastCDC with normalised chunking: docs/format/splitting.md fixes every number here.
#include "engine/content/splitter.h"

#include <algorithm>
#include <array>
#include <bit>

namespace cairn {
namespace {

// One random 64-bit number for each byte value: the outputs of splitmix64 (Steele, Lea and
// Flood, OOPSLA 2014), started at the state whose bytes spell "CairnCDC". Frozen.
constexpr std::array<std::uint64_t, 256> make_gear() {
  std::array<std::uint64_t, 256> gear{};
  std::uint64_t state = 0x436169726e434443;
  for (auto& value : gear) {
    state += 0x9e3779b97f4a7c15;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    value = z ^ (z >> 31);
  }
  return gear;
}
constexpr auto kGear = make_gear();

// The highest `bits` of 64. They depend on the most bytes: bit 63 on the last 64.
constexpr std::uint64_t top_bits(int bits) { return ~std::uint64_t{0} << (64 - bits); }

// How many bits the two masks are away from the one that would cut at the average.
constexpr int kNormalisation = 2;

}  // namespace

// Until `normal_` a cut is four times rarer than its average asks for, after it four times
// more frequent, so that sizes gather around the average. Because a cut is then looked for
// beyond `normal_` most of the time, it lies below the half that comes out on average.
ContentSplitter::ContentSplitter(std::uint32_t block_bytes)
    : min_(std::max<std::uint32_t>(block_bytes / 8, 1)),
      normal_(std::max<std::uint32_t>(block_bytes / 32 * 13, min_)),
      max_(std::max<std::uint32_t>(block_bytes, 1)) {
  const int average_bits = std::bit_width(max_ / 2) - 1;  // -1 only for one-byte blocks
  mask_small_ = top_bits(std::max(average_bits + kNormalisation, 1));
  mask_large_ = top_bits(std::max(average_bits - kNormalisation, 1));
}

std::size_t ContentSplitter::cut(Bytes bytes) const noexcept {
  const std::size_t end = std::min<std::size_t>(bytes.size(), max_);
  if (end <= min_) return end;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  std::uint64_t hash = 0;
  std::size_t at = min_;
  // A block ends before the byte at which the hash matches.
  for (const std::size_t normal = std::min<std::size_t>(end, normal_); at < normal; ++at) {
    hash = (hash << 1) + kGear[data[at]];
    if ((hash & mask_small_) == 0) return at;
  }
  for (; at < end; ++at) {
    hash = (hash << 1) + kGear[data[at]];
    if ((hash & mask_large_) == 0) return at;
  }
  return end;
}

}  // namespace cairn
