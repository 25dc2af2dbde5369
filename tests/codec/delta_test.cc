// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/delta.h"

#include <gtest/gtest.h>

#include "engine/codec/block_codec.h"
#include "engine/codec/predict.h"
#include "engine/codec/ulp.h"
#include "tests/codec/content.h"

namespace cairn {
namespace {

// bf16 or f32 weights, and the same after a small step of normally distributed changes.
struct Pair {
  Content base, content;
};
Pair trained(DType dtype, std::size_t size, double step, std::uint64_t seed = 1) {
  Pair pair{Content(size), Content(size)};
  Random random{seed};
  const std::size_t width = dtype == DType::f32 ? 4 : 2;
  for (std::size_t at = 0; at < size; at += width) {
    const double weight = 0.02 * random.normal();
    const double changed = weight + step * random.normal();
    for (auto [to, value] : {std::pair{&pair.base, weight}, std::pair{&pair.content, changed}}) {
      const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
      if (width == 4) {
        put_at(*to, at, bits);
      } else {
        put_at(*to, at, static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16));
      }
    }
  }
  return pair;
}

Content rotated(const Content& content, std::size_t by) {
  Content other(content);
  if (!other.empty())
    std::rotate(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(by % other.size()), other.end());
  return other;
}

class DeltaTest : public testing::Test {
 protected:
  Content encode(Bytes content, Bytes base, DType dtype, SimdLevel level) {
    const Bytes payload = encoder_.encode(content, {&base, 1}, dtype, level);
    return {payload.begin(), payload.end()};
  }
  const char* decode(const Content& payload, Bytes base, Content& into, SimdLevel level) {
    const Content exact(payload);
    return decoder_.decode(exact, {&base, 1}, into, level);
  }

  void expect_round_trip(const Content& content, const Content& base, DType dtype) {
    const Content payload = encode(content, base, dtype, SimdLevel::scalar);
    for (const SimdLevel level : simd_levels()) {
      SCOPED_TRACE(testing::Message() << dtype_name(dtype) << ", " << content.size() << " bytes, level "
                                      << static_cast<int>(level));
      ASSERT_EQ(encode(content, base, dtype, level), payload);
      Content into(content.size(), std::byte{0xA5});
      const char* const why = decode(payload, base, into, level);
      ASSERT_EQ(why, nullptr) << why;
      ASSERT_EQ(into, content);
    }
  }

  Encoded encode_delta(Bytes content, DType dtype, Bytes base) {
    return blocks_.encode_delta(content, dtype, {&base, 1});
  }

  double bits_per_element(const Pair& pair, DType dtype) {
    expect_round_trip(pair.content, pair.base, dtype);
    const Encoded encoded = encode_delta(pair.content, dtype, pair.base);
    EXPECT_EQ(encoded.codec, CodecId::delta);
    return static_cast<double>(encoded.payload.size() * dtype_bits(dtype)) / static_cast<double>(pair.content.size());
  }

  DeltaEncoder encoder_;
  DeltaDecoder decoder_;
  BlockEncoder blocks_;
};

// Infinities, NaNs with payloads, both zeros, denormals and every exponent against each other.
TEST_F(DeltaTest, SpecialValuesOfEveryTypeSurvive) {
  for (const DType dtype : all_dtypes()) {
    for (const std::size_t size : {1U, 2U, 3U, 7U, 8U, 16U, 31U, 64U, 129U, 1000U, 4096U, 20'001U}) {
      const Content content = special_values(size);
      for (const std::size_t by : {0U, 2U, 8U, 24U, 40U, 168U}) expect_round_trip(content, rotated(content, by), dtype);
      expect_round_trip(content, Content(size), dtype);
      expect_round_trip(Content(size), content, dtype);
    }
  }
}

TEST_F(DeltaTest, RelatedAndUnrelatedContentSurvivesWhateverTheTypeClaimed) {
  for (const std::size_t size : {4099U, 70'001U, 262'147U}) {
    const Pair pairs[] = {trained(DType::bf16, size, 1e-4),
                          trained(DType::f32, size, 1e-5),
                          {noise(size, 1), noise(size, 2)},
                          {text(size), weights(DType::f16, size)}};
    for (const Pair& pair : pairs) {
      for (const DType dtype : {DType::opaque, DType::u8, DType::i16, DType::i32, DType::u64, DType::bf16, DType::f16,
                                DType::f32, DType::f64, DType::f8_e4m3, DType::complex64, DType::ggml}) {
        expect_round_trip(pair.content, pair.base, dtype);
      }
    }
  }
}

TEST_F(DeltaTest, PointersNeedNoAlignment) {
  const Pair pair = trained(DType::f32, 8000, 1e-5);
  for (std::size_t offset = 1; offset < 8; ++offset) {
    const Bytes content = Bytes(pair.content).subspan(offset), base = Bytes(pair.base).subspan(offset);
    Content payload = encode(content, base, DType::f32, simd_level());
    Content into(content.size());
    ASSERT_EQ(decode(payload, base, into, simd_level()), nullptr);
    ASSERT_TRUE(std::equal(into.begin(), into.end(), content.begin()));
  }
}

// What differences should take by their entropy, with a little more for tables and rare tokens.
TEST_F(DeltaTest, SmallStepsTakeFewBits) {
  EXPECT_LT(bits_per_element(trained(DType::bf16, MiB, 1e-4), DType::bf16), 3.05);
  EXPECT_LT(bits_per_element(trained(DType::bf16, MiB, 1e-5), DType::bf16), 0.95);
  EXPECT_LT(bits_per_element(trained(DType::f32, MiB, 1e-6), DType::f32), 12.4);
  Pair same = trained(DType::f32, MiB, 0);
  EXPECT_LT(bits_per_element(same, DType::f32), 0.1);
  // A hundred elements of a quarter of a million.
  for (std::size_t i = 0; i < 100; ++i) same.content[i * 10'000] ^= std::byte{0x55};
  EXPECT_LT(bits_per_element(same, DType::f32), 0.1);
}

TEST_F(DeltaTest, WhatGetsNoSmallerIsRaw) {
  const Content content = noise(10'000, 1);
  EXPECT_EQ(encode_delta(content, DType::u8, noise(10'000, 2)).codec, CodecId::raw);
  EXPECT_EQ(encode_delta(content, DType::u8, noise(9'999, 1)).codec, CodecId::raw);
  EXPECT_EQ(encode_delta({}, DType::u8, {}).codec, CodecId::raw);
}

TEST_F(DeltaTest, AnotherNumberOrSizeOfBasesIsCorruption) {
  const Pair pair = trained(DType::bf16, 5000, 1e-4);
  const Encoded encoded = encode_delta(pair.content, DType::bf16, pair.base);
  const Content payload(encoded.payload.begin(), encoded.payload.end());
  BlockDecoder decoder;
  Content into(pair.content.size());
  const Bytes one[] = {pair.base}, two[] = {pair.base, pair.base}, smaller[] = {Bytes(pair.base).first(4998)};
  EXPECT_TRUE(decoder.decode(CodecId::delta, payload, into, one).ok());
  EXPECT_EQ(into, pair.content);
  for (const std::span<const Bytes> bases :
       {std::span<const Bytes>(), std::span<const Bytes>(two), std::span<const Bytes>(smaller)}) {
    const Status status = decoder.decode(CodecId::delta, payload, into, bases);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::corruption);
  }
}

// Cut, longer, or with a bit turned over: refused, or decoded to the same on every processor,
// and nothing outside the block is touched.
class HostileDeltaTest : public DeltaTest {
 protected:
  bool decodes(const Content& hostile, std::span<const Bytes> bases, SimdLevel level, Content& memory) {
    constexpr std::size_t kWall = 64;
    const std::size_t size = bases[0].size();
    const Content exact(hostile);
    memory.assign(size + 2 * kWall, std::byte{0x5A});
    const char* const why = decoder_.decode(exact, bases, MutableBytes(memory).subspan(kWall, size), level);
    for (std::size_t i = 0; i < kWall; ++i) {
      EXPECT_EQ(memory[i], std::byte{0x5A});
      EXPECT_EQ(memory[kWall + size + i], std::byte{0x5A});
    }
    return why == nullptr;
  }

  // Every `stride`th length and bit.
  void expect_harmless(const Content& content, std::span<const Bytes> bases, DType dtype, std::size_t stride) {
    const Bytes encoded = encoder_.encode(content, bases, dtype, SimdLevel::scalar);
    const Content payload(encoded.begin(), encoded.end());
    Content memory, other;
    ASSERT_TRUE(decodes(payload, bases, simd_level(), memory));
    for (std::size_t length = 0; length < payload.size(); length += length < 64 ? 1 : stride) {
      const Content cut(payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(length));
      for (const SimdLevel level : simd_levels()) EXPECT_FALSE(decodes(cut, bases, level, memory)) << length;
    }
    Content longer = payload;
    longer.push_back(std::byte{0});
    for (const SimdLevel level : simd_levels()) EXPECT_FALSE(decodes(longer, bases, level, memory));
    for (std::size_t bit = 0; bit < 8 * payload.size(); bit += bit < 512 ? 1 : stride) {
      Content flipped = payload;
      flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      const bool good = decodes(flipped, bases, SimdLevel::scalar, memory);
      for (const SimdLevel level : simd_levels()) {
        ASSERT_EQ(decodes(flipped, bases, level, other), good) << bit;
        if (good) {
          ASSERT_EQ(other, memory) << bit;
        }
      }
    }
  }
};

TEST_F(HostileDeltaTest, SmallBlocksOfEveryWidth) {
  for (const DType dtype : {DType::bf16, DType::f32, DType::f64, DType::u8}) {
    const Pair pair = trained(DType::f32, 603, 1e-4);
    const Bytes base = pair.base;
    expect_harmless(pair.content, {&base, 1}, dtype, 1);
  }
}

TEST_F(HostileDeltaTest, SeveralContexts) {
  const Pair pair = trained(DType::bf16, 20'001, 1e-4);
  const Bytes base = pair.base;
  expect_harmless(pair.content, {&base, 1}, DType::bf16, 61);
}

TEST_F(HostileDeltaTest, PredictedBlocks) {
  constexpr std::size_t kSize = 8002;
  Content variance(kSize), mean(kSize), next_mean(kSize), content(kSize);
  Random random{11};
  for (std::size_t at = 0; at < kSize; at += 4) {
    put_at(variance, at, static_cast<float>(1e-6 * random.uniform()));
    put_at(mean, at, static_cast<float>(1e-4 * random.normal()));
    put_at(next_mean, at, static_cast<float>(1e-4 * random.normal()));
  }
  const std::array<Bytes, kPredictorBases> bases{variance, mean, next_mean};
  predict({Predictor::adam_variance, {0.9F, 0.999F, 0.1F}}, bases, content.data(), simd_level());
  for (std::size_t at = 0; at < kSize; at += 52) content[at] ^= std::byte{5};
  expect_harmless(content, bases, DType::f32, 7);
  // One base where there are to be three, three where one, and another width.
  const Bytes encoded = encoder_.encode(content, bases, DType::f32, SimdLevel::scalar);
  Content payload(encoded.begin(), encoded.end()), memory;
  ASSERT_EQ(payload[0], std::byte{1});
  EXPECT_FALSE(decodes(payload, {bases.data(), 1}, simd_level(), memory));
  payload[0] = std::byte{0};
  EXPECT_FALSE(decodes(payload, bases, simd_level(), memory));
  payload[0] = std::byte{3};
  EXPECT_FALSE(decodes(payload, bases, simd_level(), memory));
  payload[0] = std::byte{1};
  payload[1] = std::byte{2};
  EXPECT_FALSE(decodes(payload, bases, simd_level(), memory));
}

}  // namespace
}  // namespace cairn
