// SPDX-License-Identifier: Apache-2.0
//
// Payloads as they are in logs that exist. If one of these tests fails, old stores cannot
// be read any more (or, for float_split, encode differently than they did): the decoder
// must be repaired, never the golden text.
#include <gtest/gtest.h>

#include "engine/codec/block_codec.h"
#include "engine/codec/predict.h"
#include "tests/codec/content.h"

namespace cairn {
namespace {

constexpr std::string_view kText = "block block block block digest digest digest block";

constexpr std::string_view kZstd = "28b52ffd2032cd000088626c6f636b20646967657374626c6f636b02002a5d89578a";

constexpr std::string_view kLz4 = "6e626c6f636b2006006b646967657374070050626c6f636b";

// Head 02 01 91010000: two bytes per element, rotated by one, 401 bytes. Directory: 00,
// plane 0 raw; 12 75000000, plane 1 Huffman-coded in 117 bytes. ab, the odd last byte.
// Then 200 bytes of plane 0, then the body of plane 1.
constexpr std::string_view kFloatSplit =
    "020191010000001275000000ab003a74aee9235d96d00a447fb9f32c66a0da154f89c2fc3670abe51f5892cc06417bb5"
    "ee28629cd7114b84bef8336da7e11a548ec9033d77b0ea245f99d30d4680baf52f69a3dc16508bc5ff3972ace6215b95"
    "cf08427cb7f12b649ed8124d87c1fa346ea8e31d5790ca043e79b3ed26609ad40f4983bcf6306aa5df19528cc6013b75"
    "afe8225c97d10b457eb8f22d67a1db144e88c3fd3771aae41e5993cd07407ab4ef29639dd6104a85bff9326ca6e01b55"
    "8fc8023c76b1eb255e98d20c4781bbf42e68a2dd170000000000000000000000000000001c0600000000000000000000"
    "0000000000134204070000000600000007000000060000000700000007000000070000009299f34966ce034966ce2799"
    "399f64e67c9299033ec9ccf92433e793cc9c4f3203ce2799399f6400733ec9ccf92403e67c9299f34900";

// Predictor 00; two bytes per element, exponent of 08 bits from bit 07 on; 02 contexts from exponent
// 0082 (130) down; 37000000: bytes of low bits. cd, the odd last byte. Low bits; two lists of frequencies; 64 states;
// words.
constexpr std::string_view kDelta =
    "000207080200820037000000cd8c69980d9a0ce6c2a6c2f92cc7e16f7733fbb2b7a2241007430109030c2100fbfbfcbd"
    "763e76e3dbae532813891888000f4e83b150239f28fe1e0000000d000d000d000000000d000d00000000000000000d00"
    "000000000000000000000d000d001a298c1f030404030304020502050304020403040000000000010000010101010102"
    "0203030303060605060b0565ce0b00785d5e00ebeb05002fd25300cc621500a5c138187c921900deeb5d00ce9c2a00ff"
    "301300087a2a000ede5d00427f7f00010632004e881300801475098e6d9800d47e3e008b214500fbb32e00c6d90d0007"
    "5a0e00d3910b00e1a09109d4c50d00d25225003e171500b9273e00ccb009000ec50000f1fe2900a5cf000022dd29008b"
    "fecd03c3a57d0099782600ad61fa00dd0e4000133e4b005ef32f00e0cd1c00a95c260021b20d005c0c8a09b95c0b0003"
    "8d3f003dad0d0043851300cec7140041393f00ca071900b471c4099ac61400c99e3200df221300a7722f009fe75200b0"
    "163f002af8f7009a011d00df930000e8f5a917c6df0000c7da5300348b10aac2b7d0a4185d1377ce414fa63e7f8a70db"
    "72950a3924d6805704a97187ec3ce48870e0d691ae40f4780545f661761094bd4b37ad0ff2bdae521ff9147f2181ce1a"
    "f75d23741912ba6caea89404f96fd7d7184dd18217ebecc908f3eca50ba4910c024dd4702a1b2c82eaa5ecd80054d07d"
    "8e4de2bc73";

Content from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Content bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  return bytes;
}

// 200 bf16 elements of eleven exponents, and an odd byte.
Content bf16_content() {
  Content content(401);
  for (unsigned i = 0; i < 200; ++i) {
    const unsigned k = i * 7 % 13;
    const unsigned exponent = 118 + (k < 6 ? 5 : k < 9 ? 6 : k < 11 ? 4 : k);
    put_at(content, 2 * std::size_t{i},
           static_cast<std::uint16_t>((i * 37 & 0x80) << 8 | exponent << 7 | (i * 29 & 127)));
  }
  content[400] = std::byte{0xAB};
  return content;
}

void expect_decodes_to(CodecId codec, std::string_view hex, Bytes expected) {
  Content into(expected.size());
  BlockDecoder decoder;
  const Status status = decoder.decode(codec, from_hex(hex), into);
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), into.begin()));
}

TEST(GoldenPayload, RawIsTheContent) {
  const Content content = from_hex("00ff7f");
  expect_decodes_to(CodecId::raw, "00ff7f", content);
}

TEST(GoldenPayload, ConstantIsThePatternOnce) {
  const Content content = from_hex("0000803f0000803f0000803f0000");
  expect_decodes_to(CodecId::constant, "0000803f", content);
  BlockEncoder encoder;
  const Encoded encoded = encoder.encode(content, DType::f32, {});
  EXPECT_EQ(encoded.codec, CodecId::constant);
  EXPECT_EQ(Content(encoded.payload.begin(), encoded.payload.end()), from_hex("0000803f"));
}

TEST(GoldenPayload, Lz4IsOneLz4Block) { expect_decodes_to(CodecId::lz4, kLz4, as_bytes(kText)); }

TEST(GoldenPayload, ZstdIsOneFrame) { expect_decodes_to(CodecId::zstd, kZstd, as_bytes(kText)); }

TEST(GoldenPayload, FloatSplitDecodesAndEncodesTheSame) {
  const Content content = bf16_content();
  expect_decodes_to(CodecId::float_split, kFloatSplit, content);
  BlockEncoder encoder;
  const Encoded encoded = encoder.encode(content, DType::bf16, {});
  EXPECT_EQ(encoded.codec, CodecId::float_split);
  EXPECT_EQ(Content(encoded.payload.begin(), encoded.payload.end()), from_hex(kFloatSplit));
}

// The same payload with a plane that is constant, written by hand: plane 1 of a block of
// three elements and a tail.
TEST(GoldenPayload, FloatSplitWithAConstantPlane) {
  const Content content = from_hex("803f813f823f07");
  // 0x3f80 rotated by one is 0x7f00: low bytes 00 02 04, high bytes 7f.
  expect_decodes_to(CodecId::float_split,
                    "020107000000"
                    "00"
                    "117f"
                    "07"
                    "000204",
                    content);
}

// 4096 bf16 elements and an odd byte, of which one in 31 is changed by some units of last place.
Content delta_base() {
  Content content(8193);
  for (unsigned i = 0; i < 4096; ++i) {
    const unsigned k = i * 7 % 13;
    const unsigned exponent = 118 + (k < 6 ? 5 : k < 9 ? 6 : k < 11 ? 4 : k);
    put_at(content, 2 * std::size_t{i},
           static_cast<std::uint16_t>((i * 37 & 0x80) << 8 | exponent << 7 | (i * 29 & 127)));
  }
  content[8192] = std::byte{0xAB};
  return content;
}
Content delta_content() {
  Content content = delta_base();
  for (unsigned i = 0; i < 4096; i += 31) {
    std::uint16_t element = 0;
    std::memcpy(&element, content.data() + 2 * std::size_t{i}, 2);
    put_at(content, 2 * std::size_t{i}, static_cast<std::uint16_t>(element + (i % 2 != 0 ? i % 9 : 0 - i % 700)));
  }
  content[8192] = std::byte{0xCD};
  return content;
}

TEST(GoldenPayload, DeltaDecodesAndEncodesTheSame) {
  const Content base = delta_base(), content = delta_content();
  const Bytes bases[] = {base};
  Content into(content.size());
  BlockDecoder decoder;
  const Status status = decoder.decode(CodecId::delta, from_hex(kDelta), into, bases);
  ASSERT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(into, content);
  BlockEncoder encoder;
  const Encoded encoded = encoder.encode_delta(content, DType::bf16, bases);
  EXPECT_EQ(encoded.codec, CodecId::delta);
  EXPECT_EQ(Content(encoded.payload.begin(), encoded.payload.end()), from_hex(kDelta));
}

// What a predictor says is part of the format: FNV-1a of its predictions of special values.
TEST(GoldenPayload, PredictionsStayTheSame) {
  const Content x = special_values(8000);
  Content y(x), z(x), said(x.size());
  std::rotate(y.begin(), y.begin() + 404, y.end());
  std::rotate(z.begin(), z.begin() + 1236, z.end());
  const auto hash_of = [&](Predictor predictor) {
    predict({predictor, {0.9F, 0.999F, 1e-8F}}, std::array<Bytes, kPredictorBases>{x, y, z}, said.data(), simd_level());
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const std::byte byte : said) hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
    return hash;
  };
  EXPECT_EQ(hash_of(Predictor::adam_variance), 0x2a498f6296df5d69U);
  EXPECT_EQ(hash_of(Predictor::adam_weight), 0xa615c6b6ccbd9c33U);
}

}  // namespace
}  // namespace cairn
