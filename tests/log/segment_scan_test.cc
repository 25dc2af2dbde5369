// SPDX-License-Identifier: Apache-2.0
//
// Torn writes are told from damage, and neither from what it is not.
#include <gmock/gmock.h>

#include "tests/log/log_fixture.h"

namespace cairn::testing {
namespace {

using ::testing::HasSubstr;

// A segment of four groups, one record of 12,000 bytes in each.
class SegmentScanTest : public LogFixture {
 protected:
  // `synced_groups`: how many of them were synced one by one; the others at the end.
  void write_groups(int synced_groups) {
    LogWriter log = writer();
    for (int n = 0; n < 4; ++n) {
      ASSERT_TRUE(append(log, static_cast<std::uint64_t>(n), 12'000).ok());
      if (n < synced_groups) synced(log);
    }
    synced(log);
    // Not closed: a witness would promise all four. But without the zeros of a writer at work.
    ASSERT_TRUE(fs.open(segment_path(kLog, 1), {.write = true}).value()->truncate(scan(fs, 1).result.end).ok());
    whole_ = scan(fs, 1);
    ASSERT_EQ(whole_.groups.size(), 4u);
  }
  std::uint64_t at(int group) const { return whole_.groups[static_cast<std::size_t>(group)].header.offset; }
  std::uint64_t payload_at(int group) const {
    return whole_.groups[static_cast<std::size_t>(group)].records.front().payload_offset;
  }

  ScannedSegment whole_;
};

TEST_F(SegmentScanTest, ATornTailIsCutAndCounted) {
  write_groups(4);
  const std::vector<std::byte> bytes = content(1);
  const auto file = fs.open(segment_path(kLog, 1), {.write = true});
  for (const std::uint64_t length : {at(3) + 1, at(3) + 4096, at(3) + 8192, whole_.size - 1}) {
    overwrite(1, 0, bytes);
    ASSERT_TRUE((*file)->truncate(length).ok());
    const ScannedSegment torn = scan(fs, 1);
    EXPECT_EQ(torn.groups.size(), 3u);
    EXPECT_EQ(torn.result.end, at(3));
    EXPECT_EQ(torn.result.torn_bytes, length - at(3));
    EXPECT_TRUE(torn.result.damage.empty());
    EXPECT_FALSE(torn.result.damaged_tail);
  }
}

// A file that somebody writes to: what lies from `from` on is zeros until a read reaches
// beyond `to`, as it is for a reader that comes early.
class FileBeingWritten final : public File {
 public:
  FileBeingWritten(std::unique_ptr<File> file, std::uint64_t from, std::uint64_t to)
      : file_(std::move(file)), from_(from), to_(to) {}
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes into) override {
    auto got = file_->read_at(offset, into);
    written_ = written_ || offset + into.size() > to_;
    if (!written_ && offset >= from_) std::fill(into.begin(), into.end(), std::byte{0});
    return got;
  }
  Status write_at(std::uint64_t, Bytes) override { return {}; }
  Status sync() override { return {}; }
  Result<std::uint64_t> size() override { return file_->size(); }
  Status truncate(std::uint64_t) override { return {}; }
  Status preallocate(std::uint64_t) override { return {}; }
  bool direct() const override { return file_->direct(); }

 private:
  const std::unique_ptr<File> file_;
  const std::uint64_t from_, to_;
  bool written_ = false;
};

TEST_F(SegmentScanTest, AGroupThatAWriterFinishesMeanwhileIsNoDamage) {
  write_groups(4);
  auto segment = open_segment(fs, kLog, 1, store_tag_of(kLogStore)).value();
  segment.file = std::make_unique<FileBeingWritten>(std::move(segment.file), at(1), at(2));
  std::size_t groups = 0;
  const auto result = scan_groups(segment, {.from = at(0)}, [&](const GroupHead&) -> Status {
    ++groups;
    return {};
  });
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->damage.empty()) << result->damage.front();
  EXPECT_EQ(groups, 4u);
}

TEST_F(SegmentScanTest, DamageToWhatWasPromisedIsReportedAndTheRestIsRead) {
  write_groups(4);
  for (const std::uint64_t offset : {at(1) + 30, at(1) + 4000, payload_at(1), payload_at(1) + 11'999}) {
    flip(1, offset, 5);
    const ScannedSegment damaged = scan(fs, 1);
    ASSERT_EQ(damaged.groups.size(), 3u) << offset;
    EXPECT_EQ(damaged.groups[1].header.offset, at(2));
    ASSERT_EQ(damaged.result.damage.size(), 1u);
    EXPECT_THAT(damaged.result.damage.front(), HasSubstr("log/00000001.seg at " + std::to_string(at(1))));
    EXPECT_EQ(damaged.result.torn_bytes, 0u);
    EXPECT_EQ(damaged.result.end, whole_.size);
    flip(1, offset, 5);
  }
}

TEST_F(SegmentScanTest, WhatWasNeverPromisedIsTornWithAllThatFollows) {
  write_groups(0);
  flip(1, payload_at(1), 2);
  const ScannedSegment torn = scan(fs, 1);
  EXPECT_EQ(torn.groups.size(), 1u) << "a log with a hole";
  EXPECT_EQ(torn.result.end, at(1));
  EXPECT_EQ(torn.result.torn_bytes, whole_.size - at(1));
  EXPECT_TRUE(torn.result.damage.empty());
}

TEST_F(SegmentScanTest, TheLastGroupIsDamagedOnlyIfSomebodyKnowsItWasSynced) {
  write_groups(4);
  flip(1, payload_at(3), 7);
  const ScannedSegment torn = scan(fs, 1);
  EXPECT_EQ(torn.result.torn_bytes, whole_.size - at(3));
  EXPECT_TRUE(torn.result.damage.empty());
  const ScannedSegment damaged = scan(fs, 1, {.known_synced = whole_.size});
  EXPECT_EQ(damaged.result.torn_bytes, 0u);
  EXPECT_EQ(damaged.result.damage.size(), 1u);
  EXPECT_TRUE(damaged.result.damaged_tail);
}

TEST_F(SegmentScanTest, NoBitOfAHeadCanChangeUnseen) {
  write_groups(4);
  for (std::uint64_t i = 0; i < kPageBytes; ++i) {
    const unsigned bit = static_cast<unsigned>(mix(1, i) % 8);
    flip(1, at(1) + i, bit);
    const ScannedSegment damaged = scan(fs, 1);
    ASSERT_EQ(damaged.groups.size(), 3u) << i;
    ASSERT_EQ(damaged.result.damage.size(), 1u) << i;
    flip(1, at(1) + i, bit);
  }
}

TEST_F(SegmentScanTest, PayloadsAreReadOnlyWhenAsked) {
  write_groups(4);
  flip(1, payload_at(1), 7);
  EXPECT_EQ(scan(fs, 1, {.verify_payloads = false}).groups.size(), 4u);
  EXPECT_EQ(scan(fs, 1, {.verify_payloads = true}).groups.size(), 3u);
}

TEST_F(SegmentScanTest, AGroupInAnotherPlaceIsRefused) {
  write_groups(4);
  const auto bytes = content(1);
  const Bytes group = Bytes(bytes).subspan(at(1), at(2) - at(1));
  overwrite(1, at(2), group);
  const ScannedSegment misdirected = scan(fs, 1);
  ASSERT_EQ(misdirected.groups.size(), 3u);
  EXPECT_EQ(misdirected.groups[2].header.offset, at(3));
  ASSERT_EQ(misdirected.result.damage.size(), 1u);
}

TEST_F(SegmentScanTest, AGroupOfAnotherSegmentOrStoreIsRefused) {
  write_groups(4);
  const std::vector<RecordDescriptor> records = whole_.groups[1].records;
  for (const bool other_store : {false, true}) {
    GroupHeader header = whole_.groups[1].header;
    if (other_store) {
      ++header.store_tag;
    } else {
      ++header.segment;
    }
    std::vector<std::byte> head(header.head_bytes());
    encode_group_head(header, records, head);
    overwrite(1, at(1), head);
    const ScannedSegment damaged = scan(fs, 1);
    EXPECT_EQ(damaged.groups.size(), 3u);
    ASSERT_EQ(damaged.result.damage.size(), 1u);
    EXPECT_THAT(damaged.result.damage.front(), HasSubstr(other_store ? "another store" : "another segment"));
  }
}

TEST_F(SegmentScanTest, ADamagedTableIsSaidAndItsGroupsAreReadInstead) {
  LogWriter log = writer();
  for (std::uint64_t n = 0; n < 20; ++n) ASSERT_TRUE(append(log, n, 10'000).ok());
  ASSERT_GT(synced(log).end_segment, 1u);
  const ScannedSegment sealed = scan(fs, 1);
  ASSERT_TRUE(sealed.table.has_value());
  flip(1, sealed.table->groups_end + 9, 1);
  const ScannedSegment damaged = scan(fs, 1, {.known_synced = ~0ull});
  EXPECT_FALSE(damaged.table.has_value());
  EXPECT_THAT(damaged.table_damage, HasSubstr("table does not match its checksum"));
  EXPECT_EQ(damaged.records(), sealed.table->records);
  flip(1, sealed.table->groups_end + 9, 1);
  for (std::uint64_t i = 0; i < kPageBytes; ++i) {
    flip(1, sealed.size - kPageBytes + i, i % 8);
    ASSERT_FALSE(scan(fs, 1, {.known_synced = ~0ull, .verify_payloads = false}).table.has_value()) << i;
    flip(1, sealed.size - kPageBytes + i, i % 8);
  }
}

}  // namespace
}  // namespace cairn::testing
