// SPDX-License-Identifier: Apache-2.0
//
// An index brought up to date from the log: everything good is in it, nothing else is, and
// the log goes on where it may.
#include "engine/read/replay.h"

#include <gmock/gmock.h>

#include <set>

#include "tests/log/log_fixture.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

using ::testing::HasSubstr;

class ReplayTest : public LogFixture {
 protected:
  // Each record is synced by itself, so that it is a group of its own. Returns where the log
  // ends once it is closed: a page behind its last record's group.
  LogWriter::Synced write(std::uint64_t first, std::uint64_t count, LogEnd end = {}) {
    LogWriter log = writer(std::move(end));
    LogWriter::Synced last;
    for (std::uint64_t n = first; n < first + count; ++n) {
      EXPECT_TRUE(append(log, n, 7'000).ok());
      last = synced(log);
      for (const auto& [segment, record] : last.records) places_[record.sequence] = {segment, record};
    }
    const auto closed = log.close();
    EXPECT_TRUE(closed.ok());
    last.end_offset = closed->end_offset;
    return last;
  }

  Replayed replay(Index& index) {
    auto replayed = replay_log(fs, kLog, store_tag_of(kLogStore), index, &pool_, {});
    EXPECT_TRUE(replayed.ok()) << replayed.error().message;
    return replayed.ok() ? std::move(replayed).value() : Replayed{};
  }
  static std::unique_ptr<Index> empty_index() { return Index::open_in_memory().value(); }

  // The records from 0 to `count` that the index knows.
  static std::set<std::uint64_t> known(Index& index, std::uint64_t count) {
    std::set<std::uint64_t> found;
    for (std::uint64_t n = 0; n < count; ++n) {
      if (index.find_block(key_of(n))->has_value()) found.insert(n);
    }
    return found;
  }
  static std::set<std::uint64_t> all_but(std::uint64_t count, const std::set<std::uint64_t>& missing) {
    std::set<std::uint64_t> rest;
    for (std::uint64_t n = 0; n < count; ++n) {
      if (!missing.contains(n)) rest.insert(n);
    }
    return rest;
  }

  std::map<std::uint64_t, std::pair<std::uint32_t, RecordDescriptor>> places_;  // by sequence
  WorkerPool pool_{2};
};

TEST_F(ReplayTest, AnEmptyIndexLearnsEveryRecord) {
  const auto written = write(0, 40);
  ASSERT_GE(written.end_segment, 3u);
  const auto index = empty_index();
  const Replayed replayed = replay(*index);
  EXPECT_EQ(replayed.records, 40u);
  EXPECT_EQ(replayed.torn_bytes, 0u);
  EXPECT_TRUE(replayed.damage.empty());
  EXPECT_EQ(replayed.end.segment, written.end_segment);
  EXPECT_EQ(replayed.end.offset, written.end_offset);
  EXPECT_EQ(replayed.end.next_sequence, 41u);
  EXPECT_EQ(index->applied(), (Position{written.end_segment, written.end_offset}));
  for (std::uint64_t n = 0; n < 40; ++n) {
    const auto& [segment, record] = places_.at(n + 1);
    EXPECT_EQ(index->find_block(key_of(n)).value(), location_of(segment, record));
  }
  EXPECT_EQ(replay(*index).records, 0u) << "what was applied is not applied again";
}

TEST_F(ReplayTest, OnlyWhatLiesBehindThePositionIsApplied) {
  const auto index = empty_index();
  write(0, 25);
  LogEnd end = replay(*index).end;
  write(25, 15, std::move(end));
  const Replayed replayed = replay(*index);
  EXPECT_EQ(replayed.records, 15u);
  EXPECT_EQ(known(*index, 40).size(), 40u);
  const ScannedSegment last = scan(fs, replayed.end.segment);
  ASSERT_FALSE(last.records().empty());
  EXPECT_EQ(replayed.end.open_records, last.records());
  const Replayed again = replay(*index);
  EXPECT_EQ(again.records, 0u);
  EXPECT_EQ(again.end.open_records, last.records()) << "sealing needs every record, applied or not";
}

TEST_F(ReplayTest, DamageIsLeftOutAndLaterRecordsSurvive) {
  const auto written = write(0, 38);
  const std::uint32_t last = written.end_segment;
  // In the last segment's first record, and in the payload of a sealed segment's group.
  std::uint64_t victim = 0;
  while (places_.at(victim + 1).first != last) ++victim;
  flip(last, places_.at(victim + 1).second.payload_offset + 9);
  const auto before = content(last);
  const auto index = empty_index();
  const Replayed replayed = replay(*index);
  ASSERT_EQ(replayed.damage.size(), 1u);
  EXPECT_THAT(replayed.damage.front(), HasSubstr(segment_path(kLog, last)));
  EXPECT_EQ(replayed.torn_bytes, 0u);
  EXPECT_EQ(known(*index, 38), all_but(38, {victim}));
  // The damaged segment stays as it is; the log goes on in a new one.
  EXPECT_TRUE(replayed.end.sealed);
  write(38, 3, replayed.end);
  EXPECT_TRUE(content(last) == before);
  EXPECT_EQ(places_.at(39).first, last + 1);
  EXPECT_EQ(known(*empty_index(), 41).size(), 0u);
  const auto rebuilt = empty_index();
  EXPECT_EQ(replay(*rebuilt).damage.size(), 1u);
  EXPECT_EQ(known(*rebuilt, 41), all_but(41, {victim}));
}

// A log that was closed says so itself: no byte of it passes for a torn write. Damage to the
// witness loses nothing but the witness.
TEST_F(ReplayTest, AfterACloseTheLogAloneTellsDamageFromATornWrite) {
  const auto written = write(0, 5);
  const std::uint64_t witness = written.end_offset - kPageBytes;
  const RecordDescriptor last = places_.at(5).second;
  const std::uint64_t last_group = scan(fs, 1).groups.rbegin()[1].header.offset;
  for (const std::uint64_t offset : {last_group, last_group + 100, last.payload_offset, witness - kPageBytes}) {
    flip(1, offset);
    const auto index = empty_index();
    const Replayed replayed = replay(*index);
    EXPECT_EQ(replayed.damage.size(), 1u) << offset;
    EXPECT_EQ(replayed.torn_bytes, 0u) << offset;
    EXPECT_TRUE(replayed.end.sealed) << "what is damaged is not written over";
    EXPECT_EQ(known(*index, 5), all_but(5, {4}));
    flip(1, offset);
  }
  for (const std::uint64_t offset : {witness, witness + 48, written.end_offset - 1}) {
    flip(1, offset);
    const auto index = empty_index();
    const Replayed replayed = replay(*index);
    EXPECT_TRUE(replayed.damage.empty());
    EXPECT_EQ(replayed.torn_bytes, kPageBytes);
    EXPECT_EQ(replayed.end.offset, witness);
    EXPECT_EQ(known(*index, 5).size(), 5u);
    flip(1, offset);
  }
}

TEST_F(ReplayTest, ATornTailIsCountedAndWrittenOver) {
  const auto written = write(0, 5);
  const auto file = fs.open(segment_path(kLog, 1), {.write = true});
  ASSERT_TRUE((*file)->truncate(written.end_offset - 2 * kPageBytes).ok());
  const auto index = empty_index();
  const Replayed replayed = replay(*index);
  EXPECT_GT(replayed.torn_bytes, 0u);
  EXPECT_TRUE(replayed.damage.empty());
  EXPECT_EQ(known(*index, 5), all_but(5, {4}));
  write(5, 1, replayed.end);
  const auto rebuilt = empty_index();
  EXPECT_EQ(replay(*rebuilt).torn_bytes, 0u);
  EXPECT_EQ(known(*rebuilt, 6), all_but(6, {4}));
}

// The index says up to where the log was synced when it was checkpointed.
TEST_F(ReplayTest, ALogThatEndsBeforeTheIndexIsDamagedNotTorn) {
  const auto index = empty_index();
  const auto written = write(0, 5);
  replay(*index);
  // Just before the witness, in the midst of the last group, and just before that.
  const std::uint64_t witness = written.end_offset - kPageBytes;
  const std::uint64_t last_group = scan(fs, 1).groups.rbegin()[1].header.offset;
  for (const std::uint64_t length : {witness, witness - kPageBytes, last_group}) {
    const auto file = fs.open(segment_path(kLog, 1), {.write = true});
    ASSERT_TRUE((*file)->truncate(length).ok());
    const Replayed shorter = replay(*index);
    ASSERT_EQ(shorter.damage.size(), 1u) << length;
    EXPECT_TRUE(shorter.end.sealed);
  }
  ASSERT_TRUE(fs.remove_file(segment_path(kLog, 1)).ok());
  const Replayed missing = replay(*index);
  ASSERT_EQ(missing.damage.size(), 1u);
  EXPECT_THAT(missing.damage.front(), HasSubstr("missing"));
  EXPECT_EQ(missing.end.segment, 1u) << "its number is not used again";
  EXPECT_TRUE(missing.end.sealed);
}

TEST_F(ReplayTest, TheHuskOfASegmentIsUsedAgain) {
  const auto written = write(0, 5);
  for (const std::size_t length : {std::size_t{0}, std::size_t{512}, kPageBytes, 5 * kPageBytes}) {
    {
      const auto husk = fs.open(segment_path(kLog, 2), {.write = true, .create = true, .truncate = true});
      ASSERT_TRUE((*husk)->write_at(0, std::vector<std::byte>(length)).ok());
    }
    const auto index = empty_index();
    const Replayed replayed = replay(*index);
    EXPECT_TRUE(replayed.damage.empty()) << length;
    EXPECT_EQ(replayed.torn_bytes, length);
    EXPECT_EQ(replayed.end.segment, 1u);
    EXPECT_EQ(replayed.end.offset, written.end_offset);
    EXPECT_EQ(known(*index, 5).size(), 5u);
  }
}

// Only what lies behind the applied position was replayed: a table of that alone would lose the rest.
TEST_F(ReplayTest, ASealedSegmentIsNotOpenedAgainForAHuskBehindItsDamagedTable) {
  const auto index = empty_index();
  {
    LogWriter log = writer({});
    ASSERT_TRUE(append(log, 0, 10'000).ok());
    const auto first = log.sync();
    ASSERT_TRUE(first.ok());
    ASSERT_TRUE(index->apply({.applied = Position{first->end_segment, first->end_offset}}).ok());
    ASSERT_TRUE(append(log, 1, 10'000).ok());
    ASSERT_TRUE(log.sync().ok());
    ASSERT_TRUE(log.seal_open_segment().ok());
  }
  const OpenSegment segment = open_segment(fs, kLog, 1, store_tag_of(kLogStore)).value();
  const std::uint64_t table = read_groups_end(segment).value().value();
  ASSERT_TRUE(fs.flip_bit(segment_path(kLog, 1), table + 9, 1).ok());
  const auto husk = fs.open(segment_path(kLog, 2), {.write = true, .create = true});
  ASSERT_TRUE((*husk)->write_at(0, std::vector<std::byte>(kPageBytes)).ok());
  const Replayed replayed = replay(*index);
  EXPECT_EQ(replayed.damage.size(), 1u) << "the table";
  EXPECT_EQ(replayed.end.segment, 1u);
  EXPECT_TRUE(replayed.end.sealed);
}

TEST_F(ReplayTest, SequenceNumbersAreNeverUsedTwice) {
  const std::uint64_t seed = test_seed(8);
  std::mt19937_64 random(seed);
  std::set<std::uint64_t> reported;
  std::uint64_t n = 0;
  for (std::size_t round = 0; round < scaled(60, 1'000); ++round) {
    const auto index = empty_index();
    Replayed replayed = replay(*index);
    ASSERT_TRUE(replayed.damage.empty()) << replayed.damage.front() << "\nCAIRN_TEST_SEED=" << seed;
    for (const std::uint64_t sequence : reported) ASSERT_LT(sequence, replayed.end.next_sequence) << "round " << round;
    {
      LogWriter log = writer(std::move(replayed.end));
      fs.crash_at(1 + random() % 30);
      for (int i = 0; i < 10; ++i) {
        if (!append(log, n++, 1 + random() % 12'000).ok() || random() % 3 > 0) continue;
        const auto synced = log.sync();
        if (!synced.ok()) break;
        for (const auto& [segment, record] : synced->records) {
          ASSERT_TRUE(reported.insert(record.sequence).second) << "CAIRN_TEST_SEED=" << seed << " round " << round;
        }
      }
    }
    fs.power_loss(random(), random() % 2 == 0 ? Loss::reorder_sectors : Loss::drop_unsynced);
  }
  EXPECT_GT(reported.size(), 50u);
}

}  // namespace
}  // namespace cairn::testing
