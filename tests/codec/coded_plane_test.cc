// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/coded_plane.h"

#include <gtest/gtest.h>

#include "tests/codec/content.h"

namespace cairn {
namespace {

class CodedPlaneTest : public testing::Test {
 protected:
  // Encodes at every level, expects the same bytes each time, and the plane back.
  CodedPlane encode(const Content& plane) {
    Content reference(coded_plane_bound(plane.size()));
    const CodedPlane result = encode_plane(plane, reference.data(), SimdLevel::scalar);
    reference.resize(result.size);
    for (const SimdLevel level : simd_levels()) {
      Content body(coded_plane_bound(plane.size()));
      EXPECT_EQ(encode_plane(plane, body.data(), level).kind, result.kind);
      body.resize(result.size);
      EXPECT_EQ(body, reference);
      if (result.kind == PlaneKind::constant || result.kind == PlaneKind::raw) continue;
      Content into(plane.size());
      HuffmanDecoder huffman;
      EXPECT_TRUE(decode_plane(result.kind, body, into, huffman, level));
      EXPECT_EQ(into, plane);
    }
    return result;
  }

  static void append(Content& plane, const Content& more) { plane.insert(plane.end(), more.begin(), more.end()); }
};

TEST_F(CodedPlaneTest, OneByteOverAndOverIsConstant) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{1000}, 5 * kSegmentBytes + 3}) {
    const CodedPlane result = encode(Content(size, std::byte{200}));
    EXPECT_EQ(result.kind, PlaneKind::constant);
    EXPECT_EQ(result.size, 0U);
  }
}

TEST_F(CodedPlaneTest, NoiseIsRaw) {
  for (const std::size_t size : {std::size_t{2}, std::size_t{1000}, 3 * kSegmentBytes + 1}) {
    const CodedPlane result = encode(noise(size));
    EXPECT_EQ(result.kind, PlaneKind::raw);
    EXPECT_EQ(result.size, size);
  }
}

TEST_F(CodedPlaneTest, OneCodeServesAPlaneThatIsAlikeThroughout) {
  EXPECT_EQ(encode(weights(DType::f8_e5m2, kSegmentBytes)).kind, PlaneKind::huffman);
  Content plane(4 * kSegmentBytes);
  Random random{3};
  for (std::byte& byte : plane) byte = static_cast<std::byte>(std::countl_zero(random.next() | 1));
  EXPECT_EQ(encode(plane).kind, PlaneKind::huffman);
}

TEST_F(CodedPlaneTest, SegmentsOfZerosNoiseAndWeightsAreEachStoredAsTheyDeserve) {
  const Content coded = weights(DType::f8_e5m2, kSegmentBytes);
  const std::size_t coded_size = encode(coded).size;
  for (const std::size_t last : {std::size_t{1}, std::size_t{2}, std::size_t{60'000}}) {
    Content plane(kSegmentBytes);
    append(plane, noise(kSegmentBytes));
    append(plane, coded);
    append(plane, noise(last));
    const CodedPlane result = encode(plane);
    EXPECT_EQ(result.kind, PlaneKind::huffman_segments);
    EXPECT_EQ(result.size, 4 + 1 + 4 + kSegmentBytes + 4 + coded_size + 4 + last);
  }
}

TEST_F(CodedPlaneTest, SegmentsThatAreMissingOrTooManyAreRefused) {
  Content plane(kSegmentBytes);
  append(plane, noise(kSegmentBytes));
  Content body(coded_plane_bound(plane.size()));
  const CodedPlane result = encode_plane(plane, body.data(), SimdLevel::scalar);
  ASSERT_EQ(result.kind, PlaneKind::huffman_segments);
  body.resize(result.size);
  HuffmanDecoder huffman;
  Content shorter(kSegmentBytes), longer(3 * kSegmentBytes);
  EXPECT_FALSE(decode_plane(result.kind, body, shorter, huffman, SimdLevel::scalar));
  EXPECT_FALSE(decode_plane(result.kind, body, longer, huffman, SimdLevel::scalar));
}

}  // namespace
}  // namespace cairn
