// SPDX-License-Identifier: Apache-2.0
//
// Payloads as they are in logs that exist. If one of these tests fails, old stores cannot
// be read any more (or, for float_split, encode differently than they did): the decoder
// must be repaired, never the golden text.
#include <gtest/gtest.h>

#include "engine/codec/block_codec.h"
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

}  // namespace
}  // namespace cairn
