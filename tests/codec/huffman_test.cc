// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/huffman.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/codec/content.h"

namespace cairn {
namespace {

// In units of the longest code: 2048 for a complete one.
unsigned code_space(const std::array<std::uint8_t, 256>& lengths) {
  unsigned used = 0;
  for (const std::uint8_t length : lengths) used += length == 0 ? 0 : 1U << (kHuffmanBitsMax - length);
  return used;
}

TEST(HuffmanLengths, AreShortForFrequentBytesAndZeroForAbsentOnes) {
  ByteCounts counts{};
  counts['a'] = 8, counts['b'] = 4, counts['c'] = 2, counts['d'] = 2;
  const auto lengths = huffman_lengths(counts);
  EXPECT_EQ(lengths['a'], 1);
  EXPECT_EQ(lengths['b'], 2);
  EXPECT_EQ(lengths['c'], 3);
  EXPECT_EQ(lengths['d'], 3);
  EXPECT_EQ(std::count(lengths.begin(), lengths.end(), 0), 252);
}

TEST(HuffmanLengths, NeverPassElevenBitsAndFillTheCodeSpace) {
  for (std::size_t distinct = 2; distinct <= 256; ++distinct) {
    ByteCounts fibonacci{}, equal{}, steep{};
    std::uint32_t a = 1, b = 1;
    for (std::size_t i = 0; i < distinct; ++i) {
      fibonacci[i] = a;
      equal[i] = 1000;
      steep[i] = i < 24 ? 1U << i : 1;
      if (i < 40) b += std::exchange(a, b);
    }
    for (const ByteCounts& counts : {fibonacci, equal, steep}) {
      const auto lengths = huffman_lengths(counts);
      EXPECT_LE(*std::max_element(lengths.begin(), lengths.end()), kHuffmanBitsMax);
      EXPECT_EQ(code_space(lengths), 1U << kHuffmanBitsMax) << distinct;
      EXPECT_EQ(static_cast<std::size_t>(std::count(lengths.begin(), lengths.end(), 0)), 256 - distinct);
    }
  }
}

TEST(HuffmanCodes, NoCodeBeginsAnother) {
  ByteCounts counts{};
  for (std::size_t i = 0; i < 256; ++i) counts[i] = static_cast<std::uint32_t>(1 + i * i * i);
  HuffmanCode code{.length = huffman_lengths(counts), .bits = {}};
  ASSERT_TRUE(assign_canonical(code));
  for (std::size_t i = 0; i < 256; ++i) {
    for (std::size_t k = 0; k < 256; ++k) {
      if (i == k || code.length[i] > code.length[k]) continue;
      const unsigned mask = (1U << code.length[i]) - 1;
      EXPECT_NE(code.bits[i], code.bits[k] & mask) << i << " and " << k;
    }
  }
}

TEST(HuffmanCodes, IncompleteAndOverfullLengthsAreRefused) {
  HuffmanCode empty;
  EXPECT_FALSE(assign_canonical(empty));
  HuffmanCode single;
  single.length[7] = 1;
  EXPECT_FALSE(assign_canonical(single));
  HuffmanCode overfull;
  overfull.length[1] = overfull.length[2] = overfull.length[3] = 1;
  EXPECT_FALSE(assign_canonical(overfull));
  HuffmanCode long_code;
  long_code.length[1] = 1;
  long_code.length[2] = kHuffmanBitsMax + 1;
  EXPECT_FALSE(assign_canonical(long_code));
  HuffmanCode complete;
  complete.length[1] = complete.length[200] = 1;
  EXPECT_TRUE(assign_canonical(complete));
}

TEST(CountForCode, MissesNoByteHoweverRare) {
  Content plane(300'000, std::byte{1});
  // Between the stretches that are counted, and at both ends.
  for (const std::size_t at : {std::size_t{0}, std::size_t{700}, std::size_t{150'001}, plane.size() - 1}) {
    plane[at] = static_cast<std::byte>(100 + at % 100);
  }
  for (const SimdLevel level : simd_levels()) {
    const ByteCounts counts = count_for_code(plane, level);
    for (std::size_t i = 0; i < 256; ++i) {
      EXPECT_EQ(counts[i] != 0, std::count(plane.begin(), plane.end(), static_cast<std::byte>(i)) != 0) << i;
    }
  }
}

TEST(HuffmanDecoder, RefusesPaddingThatIsNotZero) {
  Content plane(999, std::byte{3});
  for (std::size_t i = 0; i < plane.size(); i += 3) plane[i] = std::byte{9};
  HuffmanCode code{.length = huffman_lengths(count_for_code(plane, SimdLevel::scalar)), .bits = {}};
  ASSERT_TRUE(assign_canonical(code));
  Content body(huffman_bound(plane.size()));
  body.resize(huffman_encode(plane, code, body.data(), SimdLevel::scalar));
  HuffmanDecoder decoder;
  Content into(plane.size());
  ASSERT_TRUE(decoder.decode(body, into, SimdLevel::scalar));
  // 999 symbols of one bit in eight streams of 125, the last of 124: four bits are padding.
  body.back() |= std::byte{0x80};
  EXPECT_FALSE(decoder.decode(body, into, SimdLevel::scalar));
}

}  // namespace
}  // namespace cairn
