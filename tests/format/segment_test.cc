// SPDX-License-Identifier: Apache-2.0
//
// Segment headers, groups, tables and footers: round trips, and each rule that a decoder
// checks, broken by itself under a valid checksum.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/endian.h"
#include "tests/format/examples.h"

namespace cairn {
namespace {

using testing::HasSubstr;

// Changes bytes and computes the checksum again: damage that only the fields' rules find.
template <class T>
std::vector<std::byte> forged(std::vector<std::byte> bytes, std::size_t at, T value) {
  store_le(bytes.data() + at, value);
  store_le(bytes.data() + 8, checksum_of(Bytes(bytes).subspan(16)));
  return bytes;
}

template <class T>
void expect_refused(const Result<T>& result, std::string_view field, ErrorCode code = ErrorCode::corruption) {
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, code);
  EXPECT_THAT(result.error().message, HasSubstr(std::string(field)));
}

TEST(SegmentHeader, ComesBackAsItWasWritten) {
  SegmentHeader header = examples::segment_header();
  header.digest = DigestKind::xxh3_128;
  const auto decoded = decode_segment_header(examples::segment_header_bytes(header)).value();
  EXPECT_EQ(decoded.format_version, kFormatVersion);
  EXPECT_EQ(decoded.store, header.store);
  EXPECT_EQ(decoded.segment, header.segment);
  EXPECT_EQ(decoded.digest, header.digest);
  EXPECT_EQ(decoded.block_bytes, header.block_bytes);
  EXPECT_EQ(decoded.segment_bytes, header.segment_bytes);
}

TEST(SegmentHeader, OfANewerVersionIsUnsupportedWhateverElseItHolds) {
  auto page = forged(examples::segment_header_bytes(), 16, kFormatVersion + 1);
  page = forged(page, 20, ~std::uint64_t{0});
  page = forged(page, 100, ~std::uint64_t{0});
  expect_refused(decode_segment_header(page), "made by a newer version of Cairn (format 2; this one reads up to 1)",
                 ErrorCode::unsupported);
}

TEST(SegmentHeader, NamesTheFieldThatIsWrong) {
  const auto page = examples::segment_header_bytes();
  expect_refused(decode_segment_header(forged(page, 16, std::uint32_t{0})), "'format_version' at offset 16");
  expect_refused(decode_segment_header(forged(page, 20, std::uint32_t{0})), "'segment' at offset 20");
  expect_refused(decode_segment_header(forged(page, 40, std::uint8_t{3})), "'digest' at offset 40");
  expect_refused(decode_segment_header(forged(page, 41, std::uint8_t{1})), "'reserved' at offset 41");
  expect_refused(decode_segment_header(forged(page, 44, std::uint32_t{0})), "'block_bytes' at offset 44");
  expect_refused(decode_segment_header(forged(page, 48, std::uint64_t{0})), "'segment_bytes' at offset 48");
  expect_refused(decode_segment_header(forged(page, 4095, std::uint8_t{1})), "'padding' at offset 56");
}

TEST(Group, HeadGrowsByPagesWithItsRecords) {
  GroupHeader header;
  const auto head_of = [&](std::uint32_t count) {
    header.record_count = count;
    return header.head_bytes();
  };
  EXPECT_EQ(head_of(0), 4096u);
  EXPECT_EQ(head_of(56), 4096u);  // 64 + 56 × 72 = 4096
  EXPECT_EQ(head_of(57), 8192u);
  EXPECT_EQ(head_of(UINT32_MAX), align_up(64 + 72ull * UINT32_MAX, 4096));
}

TEST(Group, OfManyRecordsComesBack) {
  auto header = examples::group_header();
  header.record_count = 1000;
  header.payload_bytes = 4 * MiB;
  std::vector<RecordDescriptor> records(1000, examples::records().front());
  for (std::size_t i = 0; i < records.size(); ++i) {
    records[i].stored_bytes = static_cast<std::uint32_t>(i % 4 == 0 ? 0 : i);
    records[i].payload_offset = header.offset + header.head_bytes() + i * 4096;
    records[i].sequence = i;
  }
  const auto head = decode_group_head(examples::group_head_bytes(header, records)).value();
  EXPECT_EQ(head.records, records);
  EXPECT_EQ(head.header.payload_bytes, header.payload_bytes);
  EXPECT_EQ(head.header.synced_through, header.synced_through);
}

TEST(Group, PeekSeesTheSizesBeforeTheWholeHeadIsRead) {
  const auto bytes = examples::group_head_bytes();
  const auto header = peek_group_header(bytes).value();
  EXPECT_EQ(header.record_count, 2u);
  EXPECT_EQ(header.total_bytes(), 4096u + 8192u);
}

TEST(Group, NamesTheFieldThatIsWrong) {
  const auto head = examples::group_head_bytes();
  expect_refused(decode_group_head(forged(head, 24, std::uint32_t{0})), "'segment' at offset 24");
  expect_refused(decode_group_head(forged(head, 28, std::uint32_t{1000})), "'record_count' at offset 28");
  expect_refused(decode_group_head(forged(head, 28, std::uint32_t{1})), "'padding' at offset 136");
  expect_refused(decode_group_head(forged(head, 32, std::uint64_t{8193})), "'offset' at offset 32");
  expect_refused(decode_group_head(forged(head, 32, std::uint64_t{0})), "'offset' at offset 32");
  expect_refused(decode_group_head(forged(head, 40, std::uint64_t{8191})), "'payload_bytes' at offset 40");
  expect_refused(decode_group_head(forged(head, 40, ~std::uint64_t{4095})), "'payload_bytes' at offset 40");
  expect_refused(decode_group_head(forged(head, 48, std::uint64_t{12288})), "'synced_through' at offset 48");
  expect_refused(decode_group_head(forged(head, 56, std::uint64_t{1})), "'reserved' at offset 56");
  expect_refused(decode_group_head(forged(head, 64, std::uint8_t{0})), "'kind' at offset 64");
  expect_refused(decode_group_head(forged(head, 64, std::uint8_t{13})), "'kind' at offset 64");
  expect_refused(decode_group_head(forged(head, 66, std::uint16_t{2})), "'flags' at offset 66");
  const auto carried = decode_group_head(forged(head, 66, kCarriedFlag));
  ASSERT_TRUE(carried.ok()) << carried.error().message;
  EXPECT_EQ(carried->records.front().flags, kCarriedFlag);
  expect_refused(decode_group_head(forged(head, 76, std::uint32_t{1})), "'reserved' at offset 76");
  expect_refused(decode_group_head(forged(head, 137, std::uint8_t{1})), "'codec' at offset 137");
  expect_refused(decode_group_head(forged(head, 4095, std::uint8_t{1})), "'padding' at offset 208");
}

TEST(Group, PayloadsMustLieInItInOrderWithoutOverlap) {
  const auto head = examples::group_head_bytes();
  constexpr std::size_t kFirstOffset = 80, kFirstStored = 72, kSecondOffset = 152, kSecondStored = 144;
  const auto with = [&](std::size_t at, std::uint64_t offset) { return decode_group_head(forged(head, at, offset)); };
  expect_refused(with(kFirstOffset, 12287), "before the end");                  // in the head
  expect_refused(with(kFirstOffset, 12289), "'payload_offset' at offset 152");  // the second overlaps by a byte
  expect_refused(with(kSecondOffset, 12288), "before the end");                 // both in one place
  EXPECT_TRUE(with(kSecondOffset, 20480 - 86).ok());                            // ends with the group
  expect_refused(with(kSecondOffset, 20480 - 85), "outside");                   // one byte beyond it
  expect_refused(with(kSecondOffset, ~std::uint64_t{0}), "outside");
  expect_refused(decode_group_head(forged(head, kFirstStored, UINT32_MAX)), "outside");
  expect_refused(decode_group_head(forged(head, kSecondStored, UINT32_MAX)), "outside");
}

TEST(Footer, ComesBackAndNamesTheFieldThatIsWrong) {
  const auto page = examples::segment_footer_bytes();
  const auto footer = decode_segment_footer(page).value();
  EXPECT_EQ(footer.record_count, 2u);
  EXPECT_EQ(footer.table_offset, 20480u);
  EXPECT_EQ(footer.table_checksum, checksum_of(examples::table_bytes()));
  expect_refused(decode_segment_footer(forged(page, 24, std::uint32_t{0})), "'segment' at offset 24");
  expect_refused(decode_segment_footer(forged(page, 28, std::uint32_t{1})), "'reserved' at offset 28");
  expect_refused(decode_segment_footer(forged(page, 32, ~std::uint64_t{0})), "'record_count' at offset 32");
  expect_refused(decode_segment_footer(forged(page, 32, UINT64_MAX / 72 + 2)), "'record_count' at offset 32");
  expect_refused(decode_segment_footer(forged(page, 40, std::uint64_t{0})), "'table_offset' at offset 40");
  expect_refused(decode_segment_footer(forged(page, 40, std::uint64_t{20481})), "'table_offset' at offset 40");
  expect_refused(decode_segment_footer(forged(page, 4000, std::uint8_t{1})), "'padding' at offset 56");
}

TEST(RecordKind, ZeroIsNoKindAndEveryKindHasAName) {
  EXPECT_FALSE(record_kind_is_valid(0));
  for (std::uint8_t value = 1; value <= 10; ++value) {
    EXPECT_TRUE(record_kind_is_valid(value));
    EXPECT_NE(record_kind_name(static_cast<RecordKind>(value)), "unknown");
  }
  EXPECT_FALSE(record_kind_is_valid(13));
}

}  // namespace
}  // namespace cairn
