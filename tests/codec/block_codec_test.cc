// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/block_codec.h"

#include <gtest/gtest.h>

#include "tests/codec/content.h"

namespace cairn {
namespace {

constexpr CodecChoice kChoices[] = {CodecChoice::automatic, CodecChoice::none, CodecChoice::lz4, CodecChoice::zstd};

class BlockCodecTest : public testing::Test {
 protected:
  CodecId codec_of(const Content& content, DType dtype) { return encoder_.encode(content, dtype, {}).codec; }

  double ratio(const Content& content, DType dtype) {
    const Encoded encoded = encoder_.encode(content, dtype, {});
    expect_decodes(encoded, content);
    return static_cast<double>(encoded.payload.size()) / static_cast<double>(content.size());
  }

  void expect_decodes(const Encoded& encoded, Bytes content) {
    Content into(content.size(), std::byte{0xA5});
    const Status status = decoder_.decode(encoded.codec, encoded.payload, into);
    ASSERT_TRUE(status.ok()) << status.error().message;
    ASSERT_TRUE(std::equal(content.begin(), content.end(), into.begin())) << codec_name(encoded.codec);
  }

  // With every choice; the result is never larger than the content.
  void expect_round_trip(Bytes content, DType dtype) {
    for (const CodecChoice choice : kChoices) {
      SCOPED_TRACE(testing::Message() << dtype_name(dtype) << ", " << content.size() << " bytes, choice "
                                      << static_cast<int>(choice));
      const Encoded encoded = encoder_.encode(content, dtype, {.choice = choice});
      ASSERT_LE(encoded.payload.size(), content.size());
      expect_decodes(encoded, content);
    }
  }

  BlockEncoder encoder_;
  BlockDecoder decoder_;
};

std::vector<std::size_t> lengths() {
  std::vector<std::size_t> lengths;
  for (std::size_t length = 0; length <= 70; ++length) lengths.push_back(length);
  for (std::size_t power = 128; power <= 16384; power *= 2) {
    for (const std::size_t length : {power - 1, power, power + 1, power + 5}) lengths.push_back(length);
  }
  return lengths;
}

TEST_F(BlockCodecTest, SpecialValuesOfEveryTypeSurviveAtEveryLength) {
  for (const DType dtype : all_dtypes()) {
    for (const std::size_t length : lengths()) expect_round_trip(special_values(length), dtype);
  }
}

TEST_F(BlockCodecTest, WeightsNoiseTextAndZerosSurviveWhateverTheTypeClaimed) {
  for (const std::size_t length : {1000U, 4099U, 70001U, 262147U}) {
    const Content contents[] = {weights(DType::bf16, length),
                                weights(DType::f32, length),
                                noise(length),
                                text(length),
                                sparse(length),
                                Content(length)};
    for (const Content& content : contents) {
      for (const DType dtype : {DType::opaque, DType::u8, DType::i32, DType::bf16, DType::f16, DType::f32, DType::f64,
                                DType::f8_e4m3, DType::complex64, DType::complex128, DType::i4, DType::ggml}) {
        expect_round_trip(content, dtype);
      }
    }
  }
}

TEST_F(BlockCodecTest, PointersNeedNoAlignment) {
  const Content content = weights(DType::f32, 40'000);
  for (std::size_t offset = 0; offset < 8; ++offset) {
    for (const DType dtype : {DType::bf16, DType::f32, DType::f64}) {
      expect_round_trip(Bytes(content).subspan(offset, 30'001 + offset), dtype);
    }
  }
}

TEST_F(BlockCodecTest, TheLargestBlockSurvives) {
  const Content content = weights(DType::bf16, 16 * MiB);
  EXPECT_LT(ratio(content, DType::bf16), 0.68);
  EXPECT_LT(ratio(content, DType::f8_e5m2), 0.9);
}

TEST_F(BlockCodecTest, TheSameContentEncodesTheSameWhateverCameBefore) {
  const Content content = weights(DType::bf16, 300'001);
  const Encoded first = encoder_.encode(content, DType::bf16, {});
  const Content payload(first.payload.begin(), first.payload.end());
  encoder_.encode(text(100'000), DType::opaque, {});
  encoder_.encode(weights(DType::f64, MiB), DType::f64, {});
  const Encoded again = encoder_.encode(content, DType::bf16, {});
  EXPECT_EQ(first.codec, again.codec);
  EXPECT_TRUE(std::equal(payload.begin(), payload.end(), again.payload.begin(), again.payload.end()));
  BlockEncoder other;
  const Encoded elsewhere = other.encode(content, DType::bf16, {});
  EXPECT_TRUE(std::equal(payload.begin(), payload.end(), elsewhere.payload.begin(), elsewhere.payload.end()));
}

TEST_F(BlockCodecTest, TrainedWeightsShrinkToNearTheirEntropy) {
  EXPECT_LT(ratio(weights(DType::bf16, MiB), DType::bf16), 0.672);
  EXPECT_LT(ratio(weights(DType::f32, MiB), DType::f32), 0.837);
  EXPECT_LT(ratio(weights(DType::f16, MiB), DType::f16), 0.856);
  EXPECT_LT(ratio(weights(DType::f64, MiB), DType::f64), 0.875);
  EXPECT_LT(ratio(weights(DType::f8_e5m2, MiB), DType::f8_e5m2), 0.71);
}

TEST_F(BlockCodecTest, PartsThatDifferGetCodesOfTheirOwn) {
  // Halves a thousand times apart, as where two layers meet in one file.
  Content content = weights(DType::bf16, MiB);
  for (std::size_t at = MiB / 2 + 1; at < MiB; at += 2) {
    content[at] = static_cast<std::byte>(std::to_integer<unsigned>(content[at]) - 5);
  }
  EXPECT_LT(ratio(content, DType::bf16), 0.672);
  // A part of zeros, beside which the rest must not lose.
  std::fill_n(content.begin(), MiB / 2, std::byte{0});
  EXPECT_LT(ratio(content, DType::bf16), 0.40);
}

TEST_F(BlockCodecTest, FloatsOfUnknownTypeShrinkAsWell) {
  EXPECT_LT(ratio(weights(DType::bf16, MiB), DType::opaque), 0.68);
  EXPECT_LT(ratio(weights(DType::f32, MiB), DType::opaque), 0.84);
}

TEST_F(BlockCodecTest, WhatWasWidenedFromBf16CostsNoMoreThanBf16) {
  const Content narrow = weights(DType::bf16, 512 * KiB);
  Content wide(MiB);
  for (std::size_t i = 0; i < narrow.size() / 2; ++i) {
    std::memcpy(wide.data() + 4 * i + 2, narrow.data() + 2 * i, 2);
  }
  EXPECT_LT(ratio(wide, DType::f32), 0.40);
}

TEST_F(BlockCodecTest, NoiseIsRawAndNotCopied) {
  for (const DType dtype : {DType::opaque, DType::bf16, DType::f32, DType::f64, DType::u8}) {
    const Content content = noise(MiB);
    const Encoded encoded = encoder_.encode(content, dtype, {});
    EXPECT_EQ(encoded.codec, CodecId::raw);
    EXPECT_EQ(encoded.payload.data(), content.data());
    EXPECT_EQ(encoded.payload.size(), content.size());
  }
}

TEST_F(BlockCodecTest, TextIsLeftToZstd) {
  EXPECT_EQ(codec_of(text(MiB), DType::opaque), CodecId::zstd);
  EXPECT_LT(ratio(text(MiB), DType::opaque), 0.4);
}

TEST_F(BlockCodecTest, MostlyZerosAreLeftToWhatSeesRuns) { EXPECT_LT(ratio(sparse(MiB), DType::bf16), 0.25); }

TEST_F(BlockCodecTest, RepeatedPatternsAreConstant) {
  for (const std::size_t pattern : {1U, 2U, 4U, 8U}) {
    for (const std::size_t length : {pattern + 1, std::size_t{17}, std::size_t{4096}, std::size_t{100'003}}) {
      Content content(length);
      for (std::size_t i = 0; i < length; ++i) content[i] = static_cast<std::byte>(17 + i % pattern);
      const Encoded encoded = encoder_.encode(content, DType::f32, {});
      EXPECT_EQ(encoded.codec, CodecId::constant);
      EXPECT_EQ(encoded.payload.size(), pattern);
      expect_decodes(encoded, content);
      // One byte that differs, wherever it is, and the block is no longer constant.
      if (length < 17) continue;  // too short for a second occurrence of each byte
      for (const std::size_t at : {std::size_t{0}, length / 2, length - 1}) {
        Content changed = content;
        changed[at] ^= std::byte{1};
        EXPECT_NE(codec_of(changed, DType::f32), CodecId::constant);
        expect_round_trip(changed, DType::f32);
      }
    }
  }
}

TEST_F(BlockCodecTest, NoneMeansRawEvenForZeros) {
  const Content content(MiB);
  const Encoded encoded = encoder_.encode(content, DType::bf16, {.choice = CodecChoice::none});
  EXPECT_EQ(encoded.codec, CodecId::raw);
  EXPECT_EQ(encoded.payload.data(), content.data());
}

TEST_F(BlockCodecTest, AChosenCodecIsUsed) {
  const Content content = text(100'000);
  EXPECT_EQ(encoder_.encode(content, DType::opaque, {.choice = CodecChoice::lz4}).codec, CodecId::lz4);
  EXPECT_EQ(encoder_.encode(content, DType::opaque, {.choice = CodecChoice::zstd}).codec, CodecId::zstd);
  const std::size_t fast = encoder_.encode(content, DType::opaque, {CodecChoice::zstd, 1}).payload.size();
  EXPECT_LT(encoder_.encode(content, DType::opaque, {CodecChoice::zstd, 19}).payload.size(), fast);
}

TEST_F(BlockCodecTest, EncodersAndDecodersMove) {
  const Content content = weights(DType::bf16, 100'000);
  BlockEncoder encoder = std::move(encoder_);
  BlockDecoder decoder = std::move(decoder_);
  encoder_ = std::move(encoder);
  decoder_ = std::move(decoder);
  expect_round_trip(content, DType::bf16);
}

TEST(CodecName, IsTheWordUsedInReports) {
  EXPECT_EQ(codec_name(CodecId::raw), "raw");
  EXPECT_EQ(codec_name(CodecId::constant), "constant");
  EXPECT_EQ(codec_name(CodecId::lz4), "lz4");
  EXPECT_EQ(codec_name(CodecId::zstd), "zstd");
  EXPECT_EQ(codec_name(CodecId::float_split), "float_split");
  EXPECT_EQ(codec_name(CodecId::delta), "delta");
  EXPECT_EQ(codec_name(static_cast<CodecId>(6)), "unknown");
}

}  // namespace
}  // namespace cairn
