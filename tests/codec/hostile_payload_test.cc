// SPDX-License-Identifier: Apache-2.0
//
// Payloads that no encoder wrote: each decodes to exactly the block's size or is
// corruption, and nothing outside the block is touched.
#include <gtest/gtest.h>

#include "engine/codec/block_codec.h"
#include "tests/codec/content.h"

namespace cairn {
namespace {

constexpr CodecId kCodecs[] = {CodecId::raw, CodecId::constant, CodecId::lz4, CodecId::zstd, CodecId::float_split};

struct Sample {
  CodecId codec;
  Content payload;
  std::size_t size;
};

class HostilePayloadTest : public testing::Test {
 protected:
  HostilePayloadTest() {
    add(weights(DType::bf16, 3001), DType::bf16, CodecChoice::automatic, CodecId::float_split);
    add(weights(DType::f32, 4001), DType::f32, CodecChoice::automatic, CodecId::float_split);
    add(weights(DType::f64, 9005), DType::f64, CodecChoice::automatic, CodecId::float_split);
    add(weights(DType::f8_e5m2, 2000), DType::f8_e5m2, CodecChoice::automatic, CodecId::float_split);
    add(text(2000), DType::opaque, CodecChoice::zstd, CodecId::zstd);
    add(text(2000), DType::opaque, CodecChoice::lz4, CodecId::lz4);
    add(Content(100, std::byte{7}), DType::u8, CodecChoice::automatic, CodecId::constant);
    add(noise(100), DType::u8, CodecChoice::automatic, CodecId::raw);
  }

  void add(const Content& content, DType dtype, CodecChoice choice, CodecId expected) {
    const Encoded encoded = encoder_.encode(content, dtype, {.choice = choice});
    EXPECT_EQ(encoded.codec, expected);
    samples_.push_back({encoded.codec, {encoded.payload.begin(), encoded.payload.end()}, content.size()});
  }

  // True if it decoded. Walls of known bytes stand on both sides of the block, and the
  // payload is a copy that ends where its memory ends, for sanitizers.
  bool decode(CodecId codec, const Content& payload, std::size_t size) {
    constexpr std::size_t kWall = 64;
    const Content exact(payload);
    Content memory(size + 2 * kWall, std::byte{0x5A});
    const Status status = decoder_.decode(codec, exact, MutableBytes(memory).subspan(kWall, size));
    for (std::size_t i = 0; i < kWall; ++i) {
      EXPECT_EQ(memory[i], std::byte{0x5A});
      EXPECT_EQ(memory[kWall + size + i], std::byte{0x5A});
    }
    if (!status.ok()) {
      EXPECT_EQ(status.error().code, ErrorCode::corruption);
      EXPECT_NE(status.error().message, "");
    }
    return status.ok();
  }

  std::vector<Sample> samples_;
  BlockEncoder encoder_;
  BlockDecoder decoder_;
};

TEST_F(HostilePayloadTest, TruncationIsCorruptionAtEveryLength) {
  for (const Sample& sample : samples_) {
    ASSERT_TRUE(decode(sample.codec, sample.payload, sample.size));
    // Any prefix of 1, 2 or 4 bytes of a constant is a shorter constant, which is valid.
    if (sample.codec == CodecId::constant) continue;
    for (std::size_t length = 0; length < sample.payload.size(); ++length) {
      const Content cut(sample.payload.begin(), sample.payload.begin() + static_cast<std::ptrdiff_t>(length));
      EXPECT_FALSE(decode(sample.codec, cut, sample.size)) << codec_name(sample.codec) << " cut to " << length;
    }
  }
}

TEST_F(HostilePayloadTest, AnAppendedByteIsCorruption) {
  for (const Sample& sample : samples_) {
    Content longer = sample.payload;
    longer.push_back(std::byte{0});
    if (sample.codec == CodecId::constant) continue;  // from one byte to two: another constant
    EXPECT_FALSE(decode(sample.codec, longer, sample.size)) << codec_name(sample.codec);
  }
}

TEST_F(HostilePayloadTest, AnotherSizeIsCorruption) {
  for (const Sample& sample : samples_) {
    if (sample.codec == CodecId::constant) continue;  // says nothing about the size
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, sample.size / 2, sample.size - 1, sample.size + 1, 2 * sample.size}) {
      EXPECT_FALSE(decode(sample.codec, sample.payload, size)) << codec_name(sample.codec) << " into " << size;
    }
  }
}

TEST_F(HostilePayloadTest, EveryFlippedBitIsHarmless) {
  for (const Sample& sample : samples_) {
    for (std::size_t bit = 0; bit < 8 * sample.payload.size(); ++bit) {
      Content flipped = sample.payload;
      flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      decode(sample.codec, flipped, sample.size);
    }
  }
}

TEST_F(HostilePayloadTest, DamageToSegmentsIsHarmless) {
  // Single bytes, so that a plane has more than one segment; each of its own scale.
  Content content = weights(DType::f8_e5m2, 300'000);
  for (std::size_t at = 128 * KiB; at < content.size(); ++at) content[at] ^= std::byte{0x60};
  const Encoded encoded = encoder_.encode(content, DType::f8_e5m2, {});
  ASSERT_EQ(encoded.codec, CodecId::float_split);
  ASSERT_EQ(encoded.payload[6], std::byte{3}) << "the only plane is coded by segments";
  const Content payload(encoded.payload.begin(), encoded.payload.end());
  ASSERT_TRUE(decode(CodecId::float_split, payload, content.size()));
  Random random{11};
  for (int round = 0; round < 300; ++round) {
    Content damaged = payload;
    // The directory and the first segment's head, then anywhere.
    damaged[random.below(round < 150 ? 200 : damaged.size())] ^= static_cast<std::byte>(1 + random.below(255));
    decode(CodecId::float_split, damaged, content.size());
    damaged.resize(random.below(damaged.size()));
    EXPECT_FALSE(decode(CodecId::float_split, damaged, content.size()));
  }
}

TEST_F(HostilePayloadTest, NoiseIsHarmlessAsAnyCodec) {
  const std::uint64_t seed = 20240611;
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE(seed);
  Random random{seed};
  for (int round = 0; round < 4000; ++round) {
    Content payload = noise(random.below(300), random.next());
    const CodecId codec = kCodecs[random.below(std::size(kCodecs))];
    const std::size_t size = random.below(2000);
    if (codec == CodecId::float_split && payload.size() > 8) {
      // A head that is plausible, so that more than the head is reached.
      payload[0] = static_cast<std::byte>(1U << random.below(4));
      payload[1] = std::byte{0};
      put_at(payload, 2, static_cast<std::uint32_t>(size));
      payload[6] = static_cast<std::byte>(random.below(4));
    }
    decode(codec, payload, size);
  }
}

TEST_F(HostilePayloadTest, PartsSwappedBetweenPayloadsAreHarmless) {
  Random random{77};
  for (int round = 0; round < 4000; ++round) {
    const Sample& a = samples_[random.below(samples_.size())];
    const Sample& b = samples_[random.below(samples_.size())];
    Content mixed = a.payload;
    const std::size_t from = random.below(b.payload.size());
    const std::size_t count = std::min(random.below(64) + 1, b.payload.size() - from);
    const std::size_t to = random.below(mixed.size());
    for (std::size_t i = 0; i < count && to + i < mixed.size(); ++i) mixed[to + i] = b.payload[from + i];
    decode(a.codec, mixed, a.size);
  }
}

TEST_F(HostilePayloadTest, AConstantHasOneTwoFourOrEightBytes) {
  for (const std::size_t length : {0U, 3U, 5U, 6U, 7U, 9U, 16U}) {
    EXPECT_FALSE(decode(CodecId::constant, Content(length), 100));
  }
}

TEST_F(HostilePayloadTest, ACodecThatDoesNotExistIsCorruption) {
  EXPECT_FALSE(decode(static_cast<CodecId>(5), Content(10), 10));
  EXPECT_FALSE(decode(static_cast<CodecId>(255), Content(10), 10));
}

TEST_F(HostilePayloadTest, ZstdTakesOneFrameAndNoOtherKind) {
  const Content content = text(2000);
  const Encoded encoded = encoder_.encode(content, DType::opaque, {.choice = CodecChoice::zstd});
  Content twice(encoded.payload.begin(), encoded.payload.end());
  twice.insert(twice.end(), encoded.payload.begin(), encoded.payload.end());
  EXPECT_FALSE(decode(CodecId::zstd, twice, 2 * content.size()));
  // A skippable frame in front, which zstd's own tools would pass over.
  Content skip = {std::byte{0x50}, std::byte{0x2A}, std::byte{0x4D}, std::byte{0x18},
                  std::byte{0},    std::byte{0},    std::byte{0},    std::byte{0}};
  skip.insert(skip.end(), encoded.payload.begin(), encoded.payload.end());
  EXPECT_FALSE(decode(CodecId::zstd, skip, content.size()));
}

TEST_F(HostilePayloadTest, ADecoderThatFailedGoesOnToDecode) {
  for (const Sample& sample : samples_) {
    Content broken = sample.payload;
    broken.resize(broken.size() / 2);
    decode(sample.codec, broken, sample.size);
    EXPECT_TRUE(decode(sample.codec, sample.payload, sample.size));
  }
}

}  // namespace
}  // namespace cairn
