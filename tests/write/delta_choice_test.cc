// SPDX-License-Identifier: Apache-2.0
#include "engine/write/delta_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <random>

#include "engine/base/endian.h"

namespace cairn::testing {
namespace {

std::string bf16_weights(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 0.02F);
  std::string bytes(2 * count, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(normal(random)) >> 16);
    store_le(reinterpret_cast<std::byte*>(bytes.data()) + 2 * i, bits);
  }
  return bytes;
}

std::string random_bytes(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Each weight by two units in its last place at most.
std::string moved(std::string weights, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (std::size_t i = 0; i < weights.size(); i += 2) {
    weights[i] = static_cast<char>(weights[i] + static_cast<int>(random() % 5) - 2);
  }
  return weights;
}
Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

class DeltaChoiceTest : public ::testing::Test {
 protected:
  // What is chosen, and how large it is, beside what encode() makes of the same.
  void choose(const std::string& content, const std::string& base, const EncodeOptions& options = {}) {
    const Encoded whole = encoder_.encode(bytes_of(content), DType::bf16, options);
    whole_codec_ = whole.codec;
    whole_bytes_ = whole.payload.size();
    const Encoded chosen = encode_beside(encoder_, bytes_of(content), DType::bf16, bytes_of(base), options);
    codec_ = chosen.codec;
    bytes_ = chosen.payload.size();
    const std::array<Bytes, 1> bases{bytes_of(base)};
    EXPECT_TRUE(decodes_to(bytes_of(content), chosen.codec, chosen.payload, bases));
  }

  BlockEncoder encoder_;
  CodecId codec_ = CodecId::raw, whole_codec_ = CodecId::raw;
  std::size_t bytes_ = 0, whole_bytes_ = 0;
};

constexpr std::size_t kWeights = 512 * 1024;  // 1 MiB

TEST_F(DeltaChoiceTest, WhatMovedALittleIsADifference) {
  for (const std::size_t weights : {std::size_t{1000}, kWeights / 5, kWeights, kWeights + 1}) {
    const std::string base = bf16_weights(weights, 1);
    choose(moved(base, 2), base);
    EXPECT_EQ(codec_, CodecId::delta) << weights;
    EXPECT_LT(bytes_, whole_bytes_ * 3 / 4) << weights;
    choose(moved(base, 2), base, {.choice = CodecChoice::none});
    EXPECT_EQ(codec_, CodecId::delta) << weights;
  }
}

TEST_F(DeltaChoiceTest, WhatIsUnrelatedIsEncodedByItself) {
  for (const std::size_t weights : {std::size_t{1000}, kWeights / 5, kWeights}) {
    choose(bf16_weights(weights, 1), bf16_weights(weights, 2));
    EXPECT_EQ(codec_, whole_codec_);
    EXPECT_EQ(bytes_, whole_bytes_);
  }
  choose(std::string(2 * kWeights, 'x'), bf16_weights(kWeights, 2));
  EXPECT_EQ(codec_, CodecId::constant);
  choose(random_bytes(2 * kWeights, 1), bf16_weights(kWeights, 2));
  EXPECT_EQ(codec_, CodecId::raw);
}

TEST_F(DeltaChoiceTest, NothingGetsLargerWhereTheSampleIsNoSample) {
  // Related where the sample is taken, and nowhere else; and the other way round.
  const std::string base = bf16_weights(kWeights, 1), other = bf16_weights(kWeights, 2);
  const std::size_t step = (2 * kWeights - 16 * KiB) / 3 / 64 * 64;
  std::string inside = other, outside = base;
  for (std::size_t i = 0; i < 4; ++i) {
    inside.replace(i * step, 16 * KiB, base, i * step, 16 * KiB);
    outside.replace(i * step, 16 * KiB, other, i * step, 16 * KiB);
  }
  choose(inside, base);
  EXPECT_LE(bytes_, whole_bytes_);
  choose(outside, base);
  EXPECT_LE(bytes_, whole_bytes_);
}

TEST_F(DeltaChoiceTest, LessThanASixteenthIsNotWorthIt) {
  EXPECT_TRUE(is_clearly_smaller(15, 16));
  EXPECT_FALSE(is_clearly_smaller(1501, 1600));
  EXPECT_TRUE(is_clearly_smaller(1500, 1600));
  EXPECT_FALSE(is_clearly_smaller(8, 8));
  EXPECT_FALSE(is_clearly_smaller(0, 0));
}

TEST_F(DeltaChoiceTest, WhatDecodesToSomethingElseIsSeen) {
  const std::string content = random_bytes(5000, 1), other = random_bytes(5000, 2);
  EXPECT_TRUE(decodes_to(bytes_of(content), CodecId::raw, bytes_of(content), {}));
  EXPECT_FALSE(decodes_to(bytes_of(content), CodecId::raw, bytes_of(other), {}));
  EXPECT_FALSE(decodes_to(bytes_of(content), CodecId::zstd, bytes_of(content), {}));
}

}  // namespace
}  // namespace cairn::testing
