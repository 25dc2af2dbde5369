// SPDX-License-Identifier: Apache-2.0
//
// The result of an encoding must not depend on the processor: every level that this one
// has writes the bytes that the scalar code writes, and reads them.
#include <gtest/gtest.h>

#include "engine/codec/float_split.h"
#include "engine/codec/huffman_kernels.h"
#include "engine/codec/sample.h"
#include "tests/codec/content.h"

namespace cairn {
namespace {

constexpr PlaneLayout kLayouts[] = {{1, 0}, {1, 3},  {2, 0}, {2, 1}, {2, 15}, {4, 0},
                                    {4, 1}, {4, 31}, {8, 0}, {8, 4}, {8, 63}};

std::vector<std::size_t> counts() {
  std::vector<std::size_t> counts;
  for (std::size_t count = 0; count <= 140; ++count) counts.push_back(count);
  for (const std::size_t count : {255, 256, 257, 1000, 4099}) counts.push_back(count);
  return counts;
}

struct Split {
  Content memory;
  Planes planes{};
  Split(std::size_t count, unsigned width) : memory(count * width) {
    for (unsigned p = 0; p < width; ++p) planes[p] = memory.data() + p * count;
  }
  ConstPlanes view() const {
    ConstPlanes view{};
    std::copy(planes.begin(), planes.end(), view.begin());
    return view;
  }
};

TEST(SimdLevels, PlanesAreTheBytesOfTheRotatedElements) {
  const Content content = noise(8 * 5000);
  for (const PlaneLayout layout : kLayouts) {
    for (const std::size_t count : counts()) {
      Split reference(count, layout.width);
      for (std::size_t i = 0; i < count; ++i) {
        std::uint64_t element = 0;
        std::memcpy(&element, content.data() + i * layout.width, layout.width);
        const unsigned bits = 8 * layout.width;
        const std::uint64_t high = layout.rotation == 0 ? 0 : element >> (bits - layout.rotation);
        element = element << layout.rotation | high;
        for (unsigned p = 0; p < layout.width; ++p) reference.planes[p][i] = static_cast<std::byte>(element >> (8 * p));
      }
      for (const SimdLevel level : simd_levels()) {
        SCOPED_TRACE(testing::Message() << "width " << layout.width << ", rotation " << layout.rotation << ", " << count
                                        << " elements, level " << static_cast<int>(level));
        Split split(count, layout.width);
        split_planes(content.data(), count, layout, split.planes, level);
        ASSERT_EQ(split.memory, reference.memory);
        Content merged(count * layout.width);
        merge_planes(split.view(), count, layout, merged.data(), level);
        ASSERT_TRUE(std::equal(merged.begin(), merged.end(), content.begin()));
      }
    }
  }
}

// Skewed bytes: byte b about twice as often as byte b + 1, up to `distinct` of them, at
// places spread over all 256.
Content skewed(std::size_t size, unsigned distinct, std::uint64_t seed) {
  Random random{seed};
  Content content(size);
  for (std::byte& byte : content) {
    const auto rank = std::min<unsigned>(static_cast<unsigned>(std::countl_zero(random.next() | 1)), distinct - 1);
    byte = static_cast<std::byte>(rank * 151 + seed);
  }
  return content;
}

std::vector<Content> planes_to_code() {
  std::vector<Content> planes;
  for (const std::size_t size : {2U, 3U, 7U, 8U, 9U, 63U, 64U, 65U, 511U, 512U, 513U, 3000U, 70'000U, 300'001U}) {
    for (const unsigned distinct : {2U, 3U, 12U, 40U}) planes.push_back(skewed(size, distinct, size + distinct));
    planes.push_back(noise(size, size));
  }
  for (Content& plane : planes) plane[0] = plane[1] ^ std::byte{1};  // at least two distinct bytes
  return planes;
}

TEST(SimdLevels, HuffmanBodiesAreIdenticalAndEveryLevelDecodesThem) {
  for (const Content& plane : planes_to_code()) {
    SCOPED_TRACE(plane.size());
    const ByteCounts expected_counts = count_for_code(plane, SimdLevel::scalar);
    HuffmanCode code{.length = huffman_lengths(expected_counts), .bits = {}};
    ASSERT_TRUE(assign_canonical(code));
    Content reference(huffman_bound(plane.size()));
    reference.resize(huffman_encode(plane, code, reference.data(), SimdLevel::scalar));
    for (const SimdLevel level : simd_levels()) {
      SCOPED_TRACE(static_cast<int>(level));
      ASSERT_EQ(count_for_code(plane, level), expected_counts);
      Content body(huffman_bound(plane.size()));
      body.resize(huffman_encode(plane, code, body.data(), level));
      ASSERT_EQ(body, reference);
      Content into(plane.size());
      HuffmanDecoder decoder;
      ASSERT_TRUE(decoder.decode(body, into, level));
      ASSERT_EQ(into, plane);
    }
  }
}

TEST(SimdLevels, CodesOfTheGreatestLengthSideBySideAreWrittenWhole) {
  // Sixty-four codes of eleven bits in a row are more than the fast path joins.
  ByteCounts counts{};
  for (std::size_t i = 0; i < 256; ++i) counts[i] = i < 12 ? 1U << (23 - i) : 1;
  HuffmanCode code{.length = huffman_lengths(counts), .bits = {}};
  ASSERT_TRUE(assign_canonical(code));
  Content plane(5000);
  Random random{4};
  for (std::byte& byte : plane) byte = static_cast<std::byte>(12 + random.below(244));
  Content reference(huffman_bound(plane.size()));
  reference.resize(huffman_encode(plane, code, reference.data(), SimdLevel::scalar));
  for (const SimdLevel level : simd_levels()) {
    Content body(huffman_bound(plane.size()));
    body.resize(huffman_encode(plane, code, body.data(), level));
    EXPECT_EQ(body, reference);
    Content into(plane.size());
    HuffmanDecoder decoder;
    EXPECT_TRUE(decoder.decode(body, into, level));
    EXPECT_EQ(into, plane);
  }
}

TEST(SimdLevels, PlansAndPayloadsAreIdentical) {
  for (const DType dtype : {DType::bf16, DType::f16, DType::f32, DType::f64, DType::f8_e5m2, DType::opaque}) {
    for (const std::size_t size : {5000U, 100'003U, 1'048'576U}) {
      for (const Content& content : {weights(dtype, size), special_values(size), sparse(size), noise(size)}) {
        Sampler sampler;
        const Plan expected = sampler.plan(content, dtype, SimdLevel::scalar);
        Buffer payload, planes;
        const Bytes bytes = encode_float_split(content, plane_layout(dtype), 0xff, payload, planes, SimdLevel::scalar);
        const Content reference(bytes.begin(), bytes.end());
        for (const SimdLevel level : simd_levels()) {
          const Plan plan = sampler.plan(content, dtype, level);
          EXPECT_EQ(plan.codec, expected.codec);
          EXPECT_EQ(plan.coded, expected.coded);
          EXPECT_EQ(plan.layout.width, expected.layout.width);
          const Bytes again = encode_float_split(content, plane_layout(dtype), 0xff, payload, planes, level);
          ASSERT_TRUE(std::equal(again.begin(), again.end(), reference.begin(), reference.end()));
          Content into(size);
          HuffmanDecoder huffman;
          ASSERT_EQ(decode_float_split(again, into, planes, huffman, level), nullptr);
          ASSERT_EQ(into, content);
        }
      }
    }
  }
}

}  // namespace
}  // namespace cairn
