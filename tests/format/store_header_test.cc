// SPDX-License-Identifier: Apache-2.0
//
// The file STORE, whose text is the format: compared as text, both ways.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/content/digester.h"
#include "tests/format/examples.h"

namespace cairn {
namespace {

using testing::HasSubstr;

// The checksum is what `xxhsum -H3` prints for the lines before it.
constexpr std::string_view kGolden =
    "format_version 1\n"
    "uuid 000102030405060708090a0b0c0d0e0f\n"
    "digest blake3\n"
    "block_bytes 1048576\n"
    "segment_bytes 268435456\n"
    "checksum 2efeade83b9ead2e\n";

Result<StoreHeader> decode(std::string_view text) { return decode_store_header(as_bytes(text)); }

// The lines, with one of them replaced and the checksum computed again.
std::string forged(std::string_view line, std::string_view replacement) {
  std::string text(kGolden.substr(0, kGolden.find("checksum")));
  text.replace(text.find(line), line.size(), replacement);
  char checksum[17];
  std::snprintf(checksum, sizeof(checksum), "%016llx", static_cast<unsigned long long>(checksum_of(as_bytes(text))));
  return text + "checksum " + checksum + "\n";
}

void expect_refused(std::string_view text, std::string_view why, ErrorCode code = ErrorCode::corruption) {
  const auto result = decode(text);
  ASSERT_FALSE(result.ok()) << text;
  EXPECT_EQ(result.error().code, code);
  EXPECT_THAT(result.error().message, HasSubstr(std::string(why)));
}

TEST(StoreHeaderFile, IsTheGoldenTextBothWays) {
  EXPECT_EQ(encode_store_header(examples::store_header()), kGolden);
  EXPECT_EQ(decode(kGolden).value(), examples::store_header());
}

TEST(StoreHeaderFile, OfTheOtherDigestComesBack) {
  auto header = examples::store_header();
  header.digest = DigestKind::xxh3_128;
  header.block_bytes = 64 * 1024;
  header.segment_bytes = 16 * GiB;
  EXPECT_EQ(decode(encode_store_header(header)).value(), header);
}

TEST(StoreHeaderFile, AnyFlipAndAnyTruncationIsNoticed) {
  for (std::size_t at = 0; at < kGolden.size(); ++at) {
    for (unsigned flip = 1; flip < 256; ++flip) {
      std::string text(kGolden);
      text[at] = static_cast<char>(static_cast<unsigned char>(text[at]) ^ flip);
      const auto result = decode(text);
      ASSERT_FALSE(result.ok()) << "offset " << at;
      // Only the version's digit may look like another version's.
      if (result.error().code != ErrorCode::corruption) {
        ASSERT_EQ(at, std::string_view("format_version ").size());
      }
    }
    EXPECT_FALSE(decode(kGolden.substr(0, at)).ok()) << at;
  }
}

TEST(StoreHeaderFile, OfANewerVersionIsUnsupportedWhateverFollows) {
  const std::string_view message = "made by a newer version of Cairn (format 2; this one reads up to 1)";
  expect_refused(forged("format_version 1", "format_version 2"), message, ErrorCode::unsupported);
  expect_refused("format_version 2\nsomething else entirely", message, ErrorCode::unsupported);
}

TEST(StoreHeaderFile, NamesTheLineThatIsWrong) {
  expect_refused("", "'format_version' at offset 0 is missing");
  expect_refused("#!/bin/sh\n", "'format_version' at offset 0 is missing");
  expect_refused(forged("format_version 1", "format_version 0"), "no version number");
  expect_refused(forged("format_version 1", "format_version 01"), "no version number");
  expect_refused(forged("format_version 1", "format_version 99999999999"), "no version number");
  expect_refused(forged("0f\n", "0F\n"), "'uuid' at offset 17");
  expect_refused(forged("0f\n", "0\n"), "'uuid' at offset 17");
  expect_refused(forged("digest blake3", "digest sha256"), "'digest' at offset 55");
  expect_refused(forged("block_bytes 1048576", "block_bytes -1"), "'block_bytes'");
  expect_refused(forged("block_bytes 1048576", "block_bytes 4294967296"), "'block_bytes'");
  expect_refused(forged("block_bytes 1048576\n", ""), "'block_bytes' at offset 69 is missing");
  expect_refused(forged("segment_bytes 268435456", "segment_bytes 0"), "'segment_bytes'");
  expect_refused(forged("segment_bytes 268435456", "segment_bytes 1 "), "'segment_bytes'");
  expect_refused(forged("segment_bytes 268435456\n", "segment_bytes 268435456\nmore 1\n"), "'checksum'");
  expect_refused(std::string(kGolden) + "\n", "is not the last line");
}

}  // namespace
}  // namespace cairn
