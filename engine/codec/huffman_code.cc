// SPDX-License-Identifier: Apache-2.0
//
// Which code: counting bytes, code lengths of at most eleven bits, canonical codes.
#include <algorithm>

#include "engine/codec/huffman.h"
#include "engine/codec/huffman_kernels.h"

namespace cairn {
namespace {

constexpr std::size_t kExactMax = 64 * KiB;
constexpr std::size_t kStretch = 256;
constexpr std::size_t kStretchEvery = 4 * kStretch;

// Four tables, because adding to the same counter twice in a row waits for the first
// addition to reach memory.
struct Tally {
  std::array<ByteCounts, 4> tables{};

  void add(const std::byte* bytes, std::size_t count) noexcept {
    std::size_t i = 0;
    for (; i + 4 <= count; i += 4) {
      ++tables[0][std::to_integer<unsigned>(bytes[i])];
      ++tables[1][std::to_integer<unsigned>(bytes[i + 1])];
      ++tables[2][std::to_integer<unsigned>(bytes[i + 2])];
      ++tables[3][std::to_integer<unsigned>(bytes[i + 3])];
    }
    for (; i < count; ++i) ++tables[0][std::to_integer<unsigned>(bytes[i])];
  }

  ByteCounts total() const noexcept {
    ByteCounts sum{};
    for (const ByteCounts& table : tables) {
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += table[i];
    }
    return sum;
  }
};

struct Leaf {
  std::uint32_t count;
  std::uint8_t byte;
};

}  // namespace

ByteCounts count_for_code(Bytes plane, SimdLevel level) noexcept {
  Tally tally;
  if (plane.size() <= kExactMax) {
    tally.add(plane.data(), plane.size());
    return tally.total();
  }
  for (std::size_t at = 0; at < plane.size(); at += kStretchEvery) {
    tally.add(plane.data() + at, std::min(kStretch, plane.size() - at));
  }
  ByteCounts counts = tally.total();
  count_missing(plane, counts, level);
  return counts;
}

std::array<std::uint8_t, 256> huffman_lengths(const ByteCounts& counts) noexcept {
  std::array<Leaf, 256> leaves;
  std::size_t leaf_count = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] != 0) leaves[leaf_count++] = {counts[i], static_cast<std::uint8_t>(i)};
  }
  // Rare first; equal counts by byte, so that the order is the same everywhere.
  std::sort(leaves.begin(), leaves.begin() + static_cast<std::ptrdiff_t>(leaf_count),
            [](const Leaf& a, const Leaf& b) { return a.count != b.count ? a.count < b.count : a.byte < b.byte; });

  // Huffman's construction over two queues that are both in order: leaves, and the nodes
  // made so far. Node i has parent[leaf_count + i].
  std::array<std::uint64_t, 256> node_count{};
  std::array<std::uint16_t, 512> parent{};
  std::size_t next_leaf = 0, next_node = 0, nodes = 0;
  const auto take_smallest = [&]() -> std::size_t {
    const bool leaf =
        next_leaf < leaf_count && (next_node == nodes || leaves[next_leaf].count <= node_count[next_node]);
    return leaf ? next_leaf++ : leaf_count + next_node++;
  };
  const auto count_of = [&](std::size_t i) -> std::uint64_t {
    return i < leaf_count ? leaves[i].count : node_count[i - leaf_count];
  };
  while (nodes + 1 < leaf_count) {
    const std::size_t a = take_smallest();
    const std::size_t b = take_smallest();
    node_count[nodes] = count_of(a) + count_of(b);
    parent[a] = parent[b] = static_cast<std::uint16_t>(leaf_count + nodes);
    ++nodes;
  }

  // Depths from the root down, then how many codes there are of each length, those too
  // long counted as of the greatest length.
  std::array<std::uint8_t, 512> depth{};
  std::array<std::uint32_t, kHuffmanBitsMax + 1> of_length{};
  for (std::size_t i = leaf_count + nodes - 1; i-- > 0;) {
    depth[i] = static_cast<std::uint8_t>(depth[parent[i]] + 1);
    if (i < leaf_count) ++of_length[std::min<unsigned>(depth[i], kHuffmanBitsMax)];
  }
  // Shortening codes made them too many for the code space. Each step lengthens one
  // shorter code by a bit and hangs one of the longest beside it, which frees one unit.
  std::uint32_t used = 0;
  for (unsigned length = 1; length <= kHuffmanBitsMax; ++length)
    used += of_length[length] << (kHuffmanBitsMax - length);
  for (; used > (1U << kHuffmanBitsMax); --used) {
    --of_length[kHuffmanBitsMax];
    unsigned length = kHuffmanBitsMax - 1;
    while (of_length[length] == 0) --length;
    --of_length[length];
    of_length[length + 1] += 2;
  }

  std::array<std::uint8_t, 256> lengths{};
  std::size_t leaf = 0;
  for (unsigned length = kHuffmanBitsMax; length >= 1; --length) {
    for (std::uint32_t i = 0; i < of_length[length]; ++i)
      lengths[leaves[leaf++].byte] = static_cast<std::uint8_t>(length);
  }
  return lengths;
}

bool assign_canonical(HuffmanCode& code) noexcept {
  std::array<std::uint32_t, kHuffmanBitsMax + 1> of_length{};
  for (const std::uint8_t length : code.length) {
    if (length > kHuffmanBitsMax) return false;
    ++of_length[length];
  }
  std::array<std::uint32_t, kHuffmanBitsMax + 2> next{};
  std::uint32_t first = 0;
  for (unsigned length = 1; length <= kHuffmanBitsMax; ++length) {
    next[length] = first;
    first = (first + of_length[length]) << 1;
  }
  // `first` now stands for one past the last code, at one bit more than the longest.
  if (first != 2U << kHuffmanBitsMax) return false;
  for (std::size_t i = 0; i < code.length.size(); ++i) {
    const unsigned length = code.length[i];
    if (length == 0) continue;
    const std::uint32_t canonical = next[length]++;
    std::uint32_t reversed = 0;
    for (unsigned bit = 0; bit < length; ++bit) reversed |= ((canonical >> bit) & 1U) << (length - 1 - bit);
    code.bits[i] = static_cast<std::uint16_t>(reversed);
  }
  return true;
}

}  // namespace cairn
