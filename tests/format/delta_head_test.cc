// SPDX-License-Identifier: Apache-2.0
//
// The head of a delta block as it is, and as somebody hostile may write it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/endian.h"
#include "engine/content/digester.h"
#include "engine/format/delta_head.h"
#include "tests/format/examples.h"

namespace cairn {
namespace {

using testing::HasSubstr;

const Digest kBlock = examples::digest(1);

std::vector<std::byte> head_of(std::size_t bases) {
  DeltaHead head;
  for (std::size_t i = 0; i < bases; ++i) head.bases.push_back(examples::digest(static_cast<std::uint8_t>(2 + i)));
  return encode(head, kBlock);
}

void expect_refused(const std::vector<std::byte>& bytes, const Digest& block, std::string_view why) {
  const auto head = decode_delta_head(bytes, block);
  ASSERT_FALSE(head.ok()) << "accepted, although: " << why;
  EXPECT_EQ(head.error().code, ErrorCode::corruption);
  EXPECT_THAT(head.error().message, HasSubstr(std::string(why)));
}

TEST(DeltaHead, ComesBackWhateverFollows) {
  for (std::size_t bases = 1; bases <= DeltaHead::kBasesMax; ++bases) {
    auto bytes = head_of(bases);
    EXPECT_LE(bytes.size(), DeltaHead::kBytesMax);
    for (int more = 0; more < 2; ++more) {
      const auto head = decode_delta_head(bytes, kBlock);
      ASSERT_TRUE(head.ok()) << head.error().message;
      EXPECT_EQ(head->bases.size(), bases);
      EXPECT_EQ(encode(*head, kBlock), head_of(bases));
      EXPECT_EQ(head->encoded_bytes(), head_of(bases).size());
      bytes.resize(bytes.size() + 1000, std::byte{7});
    }
  }
}

TEST(DeltaHead, IsForOneBlockAlone) { expect_refused(head_of(1), examples::digest(9), "is not that of the head"); }

TEST(DeltaHead, EveryByteIsChecked) {
  for (std::size_t at = 0; at < head_of(2).size(); ++at) {
    auto bytes = head_of(2);
    bytes[at] ^= std::byte{1};
    EXPECT_FALSE(decode_delta_head(bytes, kBlock).ok()) << at;
    bytes.resize(at);
    EXPECT_FALSE(decode_delta_head(bytes, kBlock).ok()) << at << " bytes alone";
  }
}

TEST(DeltaHead, EachRuleByItself) {
  const auto with = [](std::size_t at, std::uint8_t value) {
    auto bytes = head_of(2);
    bytes[at] = std::byte{value};
    return bytes;
  };
  EXPECT_EQ(decode_delta_head(with(0, 2), kBlock).error().code, ErrorCode::unsupported);
  expect_refused(with(0, 0), kBlock, "'version' at offset 0 is zero");
  expect_refused(with(1, 0), kBlock, "not from 1 to 4");
  expect_refused(with(1, 5), kBlock, "not from 1 to 4");
  expect_refused(with(3, 1), kBlock, "'reserved' at offset 2 is not zero");
  expect_refused(encode(DeltaHead{.bases = {kBlock}}, kBlock), kBlock, "is the block itself");
  expect_refused({}, kBlock, "'version'");
}

// docs/format/delta.md, by hand.
TEST(DeltaHead, HasTheBytesOfItsSpecification) {
  const auto bytes = head_of(1);
  ASSERT_EQ(bytes.size(), 44u);
  EXPECT_EQ(bytes[0], std::byte{1});
  EXPECT_EQ(bytes[1], std::byte{1});
  EXPECT_TRUE(std::equal(bytes.begin() + 4, bytes.begin() + 36, examples::digest(2).bytes.begin()));
  std::vector<std::byte> covered(bytes.begin(), bytes.begin() + 36);
  covered.insert(covered.end(), kBlock.bytes.begin(), kBlock.bytes.end());
  EXPECT_EQ(load_le<std::uint64_t>(bytes.data() + 36), checksum_of(covered));
}

}  // namespace
}  // namespace cairn
