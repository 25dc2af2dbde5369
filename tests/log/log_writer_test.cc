// SPDX-License-Identifier: Apache-2.0
//
// What a log writer leaves in its files, and when.
#include <cerrno>
#include <set>

#include "tests/log/log_fixture.h"

namespace cairn::testing {
namespace {

class LogWriterTest : public LogFixture {
 protected:
  // Whether the payload of the n-th record is where its descriptor says.
  bool is_there(std::uint32_t segment, const RecordDescriptor& record, std::uint64_t n) {
    const auto bytes = content(segment);
    if (record.payload_offset + record.stored_bytes > bytes.size()) return false;
    const Bytes stored = Bytes(bytes).subspan(record.payload_offset, record.stored_bytes);
    const auto expected = payload_of(n, record.stored_bytes);
    return std::equal(stored.begin(), stored.end(), expected.begin()) && record.checksum == checksum_of(stored) &&
           record.key == key_of(n);
  }
};

TEST_F(LogWriterTest, SyncSaysWhereEveryRecordLies) {
  LogWriter log = writer();
  const std::size_t sizes[] = {0, 1, 100, 5000, 16 * 1024, 40'000, 7};
  std::uint64_t n = 0;
  for (int round = 0; round < 3; ++round) {
    const std::uint64_t first = n;
    for (const std::size_t size : sizes) ASSERT_TRUE(append(log, n++, size).ok());
    const auto report = synced(log);
    ASSERT_EQ(report.records.size(), std::size(sizes));
    for (std::size_t i = 0; i < report.records.size(); ++i) {
      const auto& [segment, record] = report.records[i];
      EXPECT_EQ(record.stored_bytes, sizes[i]);
      EXPECT_EQ(record.sequence, first + i + 1);
      EXPECT_TRUE(is_there(segment, record, first + i)) << first + i;
    }
    EXPECT_EQ(report.next_sequence, n + 1);
    EXPECT_EQ(log.unsynced_bytes(), 0u);
  }
}

TEST_F(LogWriterTest, WhatIsAppendedAtOnceIsInOneGroupWhereverTheGroupOrTheSegmentEnds) {
  LogWriter log = writer();
  std::uint64_t n = 0;
  std::set<std::uint64_t> seconds;  // sequences of the second of two
  // Together they have room for neither the rest of most groups, nor that of many segments.
  for (std::size_t before = 100; before < 16'000; before += 700) {
    ASSERT_TRUE(append(log, n++, before).ok());
    const auto first = payload_of(n, 9'000), second = payload_of(n + 1, before % 2'100 == 100 ? 12'288 : 6'000);
    std::vector<NewRecord> pair;
    for (const auto* payload : {&first, &second}) {
      pair.push_back({.kind = RecordKind::block,
                      .logical_bytes = static_cast<std::uint32_t>(payload->size()),
                      .key = key_of(n++),
                      .payload = *payload});
    }
    ASSERT_TRUE(log.append(pair).ok());
    seconds.insert(n);
  }
  const auto report = synced(log);
  ASSERT_EQ(report.records.size(), n);
  std::uint64_t checked = 0;
  for (std::uint64_t i = 0; i < n; ++i) {
    EXPECT_TRUE(is_there(report.records[i].first, report.records[i].second, i)) << i;
  }
  for (std::uint32_t number = 1; number <= report.end_segment; ++number) {
    for (const GroupHead& group : scan(fs, number).groups) {
      for (std::size_t i = 0; i < group.records.size(); ++i) {
        if (!seconds.contains(group.records[i].sequence)) continue;
        ASSERT_GT(i, 0u) << "the second of two begins a group";
        ++checked;
      }
    }
  }
  EXPECT_EQ(checked, seconds.size());
  EXPECT_GT(report.end_segment, 1u);
}

TEST_F(LogWriterTest, NothingAppendedTouchesNothing) {
  const std::uint64_t before = fs.calls();
  LogWriter log = writer();
  EXPECT_TRUE(synced(log).records.empty());
  EXPECT_TRUE(log.close().ok());
  EXPECT_EQ(fs.calls(), before);
}

TEST_F(LogWriterTest, SmallRecordsShareAGroupAndLargeOnesHaveTheirOwn) {
  LogWriter log = writer();
  for (std::uint64_t n = 0; n < 50; ++n) ASSERT_TRUE(append(log, n, 100).ok());
  ASSERT_TRUE(append(log, 50, 40'000).ok());
  ASSERT_TRUE(append(log, 51, 100).ok());
  synced(log);
  const ScannedSegment segment = scan(fs, 1);
  ASSERT_EQ(segment.groups.size(), 3u);
  EXPECT_EQ(segment.groups[0].records.size(), 50u);
  EXPECT_EQ(segment.groups[1].records.size(), 1u);
  EXPECT_EQ(segment.groups[1].header.payload_bytes, align_up(40'000, kPageBytes));
  EXPECT_EQ(segment.groups[2].records.size(), 1u);
}

TEST_F(LogWriterTest, WhatASealMadeDurableIsKnownWithoutASync) {
  LogWriter log = writer();
  std::vector<std::pair<std::uint32_t, RecordDescriptor>> reported;
  std::size_t seals = 0, late = 0;
  for (std::uint64_t n = 0; n < 60; ++n) {
    ASSERT_TRUE(append(log, n, 10'000).ok());
    EXPECT_LE(log.unsynced_bytes(), small_log().segment_bytes);
    // Asked late: groups of the next segment are written by then, and not durable.
    if (!log.has_sealed() || ++late % 4 != 0) continue;
    ++seals;
    const auto sealed = log.take_sealed();
    EXPECT_FALSE(log.has_sealed());
    EXPECT_FALSE(sealed.records.empty());
    EXPECT_EQ(sealed.end_offset, scan(fs, sealed.end_segment).size);
    reported.insert(reported.end(), sealed.records.begin(), sealed.records.end());
    const auto survivor = fs.survivor(n, Loss::drop_unsynced);
    std::vector<std::pair<std::uint32_t, RecordDescriptor>> found;
    for (std::uint32_t number = 1; number <= sealed.end_segment; ++number) {
      for (const RecordDescriptor& record : scan(*survivor, number).records()) found.emplace_back(number, record);
    }
    EXPECT_EQ(found, reported);
  }
  EXPECT_GE(seals, 3u);
  const auto rest = synced(log);
  EXPECT_FALSE(log.has_sealed());
  reported.insert(reported.end(), rest.records.begin(), rest.records.end());
  ASSERT_EQ(reported.size(), 60u);
  for (std::uint64_t n = 0; n < 60; ++n) EXPECT_TRUE(is_there(reported[n].first, reported[n].second, n));
}

TEST_F(LogWriterTest, RawBlocksOfWholePagesBeginOnAPage) {
  LogOptions options = small_log();
  options.group_bytes = 1 * MiB;
  options.segment_bytes = 4 * MiB;
  LogWriter log = writer({}, options);
  for (std::uint64_t n = 0; n < 6; ++n) ASSERT_TRUE(append(log, n, n % 2 == 0 ? 100 : 8'192, 0).ok());
  for (const auto& [segment, record] : synced(log).records) {
    EXPECT_EQ(record.payload_offset % (record.stored_bytes == 8'192 ? kPageBytes : 8), 0u);
  }
}

TEST_F(LogWriterTest, SmallGroupsInARowOverwriteZerosThatWereWrittenOnce) {
  LogOptions options = small_log();
  options.segment_bytes = 4 * MiB;
  // Whether a stretch of zeros was written.
  const auto writes_zeros = [&](std::uint64_t groups, std::size_t bytes) {
    LogWriter log = writer({}, options);
    for (std::uint64_t n = 0; n < groups; ++n) {
      EXPECT_TRUE(append(log, n, bytes).ok());
      synced(log);
    }
    const ScannedSegment segment = scan(fs, 1);
    EXPECT_EQ(segment.groups.size(), groups);
    EXPECT_EQ(segment.result.torn_bytes, 0u);
    EXPECT_TRUE(log.close().ok());
    EXPECT_EQ(fs.info(segment_path(kLog, 1))->size, segment.result.end + kPageBytes);
    const std::string trace = fs.trace();
    return trace.find(", " + std::to_string(MiB) + " bytes") != std::string::npos;
  };
  EXPECT_FALSE(writes_zeros(1, 100)) << "one alone is no row";
  EXPECT_TRUE(writes_zeros(4, 100));
  options.segment_bytes = 2 * MiB - 1'000;  // not whole pages
  LogWriter log = writer({}, options);
  for (std::uint64_t n = 0; n < 600; ++n) {
    ASSERT_TRUE(append(log, n, 100).ok());
    ASSERT_LE(synced(log).end_offset, options.segment_bytes) << n;
  }
  EXPECT_EQ(scan(fs, 2).result.damage.size(), 0u);
}

TEST_F(LogWriterTest, SegmentsAreSealedWithTablesThatEqualTheirGroups) {
  LogWriter log = writer();
  for (std::uint64_t n = 0; n < 60; ++n) ASSERT_TRUE(append(log, n, 10'000).ok());
  const auto report = synced(log);
  ASSERT_GE(report.end_segment, 4u);
  std::vector<std::pair<std::uint32_t, RecordDescriptor>> found;
  for (std::uint32_t number = 1; number <= report.end_segment; ++number) {
    const ScannedSegment segment = scan(fs, number);
    EXPECT_TRUE(segment.result.damage.empty());
    EXPECT_EQ(segment.table.has_value(), number < report.end_segment);
    if (segment.table) {
      EXPECT_EQ(segment.table->records, segment.records());
      EXPECT_EQ(segment.table->groups_end, segment.result.end);
      EXPECT_LE(segment.size, small_log().segment_bytes);
    }
    for (const RecordDescriptor& record : segment.records()) found.emplace_back(number, record);
  }
  EXPECT_EQ(found, report.records);
}

TEST_F(LogWriterTest, WhatWasSyncedSurvivesPowerLossAndSequencesGoOn) {
  LogEnd end;
  std::vector<std::pair<std::uint32_t, RecordDescriptor>> promised;
  std::set<std::uint64_t> sequences;
  for (std::uint64_t round = 0; round < 8; ++round) {
    {
      LogWriter log = writer(end);
      for (std::uint64_t n = 0; n < 5; ++n) ASSERT_TRUE(append(log, 10 * round + n, 9'000).ok());
      const auto report = synced(log);
      promised.insert(promised.end(), report.records.begin(), report.records.end());
      for (const auto& [segment, record] : report.records) EXPECT_TRUE(sequences.insert(record.sequence).second);
      for (std::uint64_t n = 0; n < 4; ++n) ASSERT_TRUE(append(log, 1000 + n, 9'000).ok());
    }
    fs.power_loss(round, Loss::drop_unsynced);
    // Sealing a segment syncs what was only appended, so there may be more than promised.
    std::vector<std::pair<std::uint32_t, RecordDescriptor>> found;
    const std::vector<std::uint32_t> segments = list_segments(fs, kLog).value();
    for (const std::uint32_t number : segments) {
      const ScannedSegment segment = scan(fs, number);
      for (const RecordDescriptor& record : segment.records()) found.emplace_back(number, record);
      end = {.segment = number, .offset = segment.result.end, .sealed = segment.table.has_value()};
      end.open_records = segment.records();
    }
    for (const auto& record : promised) ASSERT_NE(std::find(found.begin(), found.end(), record), found.end());
    end.next_sequence = found.back().second.sequence + 1;
  }
}

// Whatever the disk keeps of a crash, a table that is there lists groups that are there.
TEST_F(LogWriterTest, NoTableIsThereBeforeItsGroups) {
  const auto fill = [](SimFileSystem& disk) {
    EXPECT_TRUE(disk.create_directory(kLog).ok() && disk.sync_directory("/").ok());
    LogWriter log(disk, kLog, small_log(), {});
    for (std::uint64_t n = 0; n < 30; ++n) {
      if (!append(log, n, 10'000).ok()) return;
    }
    static_cast<void>(log.sync().ok());
  };
  SimFileSystem whole;
  fill(whole);
  std::size_t tables = 0;
  for (std::uint64_t at = 3; at <= whole.write_calls(); ++at) {
    SimFileSystem disk({.seed = at});
    disk.crash_at(at);
    fill(disk);
    for (std::uint64_t state = 0; state < 12; ++state) {
      const auto survivor = disk.survivor(state, state % 2 == 0 ? Loss::reorder_sectors : Loss::keep_prefix);
      const auto segments = list_segments(*survivor, kLog);
      if (!segments.ok()) continue;
      for (const std::uint32_t number : *segments) {
        const ScannedSegment segment = scan(*survivor, number);
        if (!segment.table) continue;
        ++tables;
        ASSERT_EQ(segment.records(), segment.table->records) << "crash at call " << at << ", state " << state;
      }
    }
  }
  EXPECT_GT(tables, 100u);
}

TEST_F(LogWriterTest, GroupsPromiseOnlyWhatWasSynced) {
  LogWriter log = writer();
  ASSERT_TRUE(append(log, 1, 9'000).ok() && append(log, 2, 9'000).ok());  // two groups, one sync
  const std::uint64_t first_end = synced(log).end_offset;
  ASSERT_TRUE(append(log, 3, 100).ok());
  synced(log);
  const ScannedSegment segment = scan(fs, 1);
  ASSERT_EQ(segment.groups.size(), 3u);
  EXPECT_EQ(segment.groups[0].header.synced_through, 0u);
  EXPECT_EQ(segment.groups[1].header.synced_through, 0u);
  EXPECT_EQ(segment.groups[2].header.synced_through, first_end);
}

// One record that does not fit fails, however often it is tried; what was taken stays, and
// the log goes on where it was once there is room.
TEST_F(LogWriterTest, ADiskWithoutRoomForASegmentRefusesARecordAndNoMore) {
  const std::uint64_t segment_bytes = small_log().segment_bytes;
  fs.set_capacity(2 * segment_bytes + segment_bytes / 2);
  LogWriter log = writer();
  std::vector<std::uint64_t> taken;
  std::size_t refused = 0;
  std::uint64_t n = 0;
  const auto fill = [&](std::size_t times) {
    for (std::size_t i = 0; i < times; ++i, ++n) {
      const Status appended = append(log, n, 3'000 + 700 * (n % 9));
      ASSERT_FALSE(log.failed());
      if (appended.ok()) {
        taken.push_back(n);
        continue;
      }
      ++refused;
      EXPECT_EQ(appended.error().code, ErrorCode::no_space) << appended.error().message;
      EXPECT_TRUE(appended.error().retryable);
      EXPECT_EQ(list_segments(fs, kLog)->size(), 2u) << "what cannot be used takes space";
    }
  };
  std::vector<std::pair<std::uint32_t, RecordDescriptor>> found;
  const auto collect = [&](const LogWriter::Synced& synced) {
    found.insert(found.end(), synced.records.begin(), synced.records.end());
  };
  fill(60);
  EXPECT_GT(refused, 5u);
  collect(synced(log));
  EXPECT_FALSE(log.has_unreported());
  fill(3);
  EXPECT_EQ(taken.size(), found.size());
  fs.set_capacity(1 * GiB);
  const std::size_t refused_before = refused;
  fill(30);
  EXPECT_EQ(refused, refused_before);
  collect(synced(log));
  ASSERT_TRUE(log.close().ok());
  ASSERT_EQ(found.size(), taken.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(is_there(found[i].first, found[i].second, taken[i])) << i;
    EXPECT_EQ(found[i].second.sequence, i + 1);
  }
}

// The last segment of an earlier life, whose reserved rest was given back.
TEST_F(LogWriterTest, GoingOnInASegmentNeedsRoomForTheRestOfIt) {
  LogEnd end{.segment = 1, .sealed = false};
  {
    LogWriter log = writer();
    ASSERT_TRUE(append(log, 1, 5'000).ok());
    synced(log);
    const auto closed = log.close();
    ASSERT_TRUE(closed.ok());
    end.offset = closed->end_offset;
    end.next_sequence = closed->next_sequence;
  }
  end.open_records = scan(fs, 1).records();
  fs.set_capacity(small_log().segment_bytes / 2);
  LogWriter log = writer(end);
  for (int turn = 0; turn < 2; ++turn) {
    const Status refused = append(log, 2, 100);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::no_space);
    EXPECT_EQ(fs.info(segment_path(kLog, 1))->size, end.offset);
  }
  fs.set_capacity(1 * GiB);
  ASSERT_TRUE(append(log, 2, 100).ok());
  synced(log);
  EXPECT_EQ(scan(fs, 1).records().size(), 2u);
}

// But for beginning a segment, where a full disk is none of them.
TEST_F(LogWriterTest, AFailedCallIsFinal) {
  std::uint64_t calls = 0;
  {
    LogWriter log = writer();
    const std::uint64_t before = fs.write_calls();
    for (std::uint64_t n = 0; n < 20; ++n) ASSERT_TRUE(append(log, n, 10'000).ok());
    synced(log);
    // Behind them, readers are told: the file is made and written. A hint, whose failure is nobody's.
    constexpr std::uint64_t kHintCalls = 2;
    calls = fs.write_calls() - before - kHintCalls;
  }
  ASSERT_GT(calls, 10u);
  std::size_t without_room = 0;
  for (const bool full : {false, true}) {
    for (std::uint64_t at = 1; at <= calls; ++at) {
      SimFileSystem disk;
      ASSERT_TRUE(disk.create_directory(kLog).ok());
      LogWriter log(disk, kLog, small_log(), {});
      disk.fail_at(at, {.code = full ? ErrorCode::no_space : ErrorCode::io, .message = "planned", .sys_errno = EIO},
                   Repeat::once);
      bool failed = false;
      for (std::uint64_t n = 0; n < 20; ++n) {
        const Status appended = append(log, n, 10'000);
        failed = !appended.ok() || failed;
        EXPECT_TRUE(appended.ok() || appended.error().retryable == !log.failed());
      }
      failed = !log.sync().ok() || failed;
      ASSERT_TRUE(failed) << "call " << at;
      if (full && !log.failed()) {
        ++without_room;
        continue;
      }
      ASSERT_TRUE(log.failed()) << "call " << at;
      // The disk is well again, and still nothing is promised.
      const ErrorCode expected = full ? ErrorCode::no_space : ErrorCode::poisoned;
      const Status appended = append(log, 99, 10);
      ASSERT_FALSE(appended.ok());
      EXPECT_EQ(appended.error().code, expected);
      const auto again = log.sync();
      ASSERT_FALSE(again.ok());
      EXPECT_EQ(again.error().code, expected);
      EXPECT_FALSE(log.close().ok());
    }
  }
  // Creating, reserving and naming each segment.
  EXPECT_EQ(without_room, 3 * list_segments(fs, kLog)->size());
}

TEST_F(LogWriterTest, GoingOnCutsWhatNeverFinished) {
  LogEnd end{.segment = 1, .sealed = false};
  {
    LogWriter log = writer();
    ASSERT_TRUE(append(log, 1, 5'000).ok());
    end.offset = synced(log).end_offset;
    ASSERT_TRUE(append(log, 2, 5'000).ok() && append(log, 3, 15'000).ok());
    synced(log);
  }
  end.open_records = {scan(fs, 1).records().front()};
  end.next_sequence = 2;
  LogWriter log = writer(end);
  ASSERT_TRUE(append(log, 4, 10).ok());
  const std::uint64_t end_offset = synced(log).end_offset;
  const ScannedSegment segment = scan(fs, 1);
  EXPECT_EQ(segment.result.end, end_offset);
  EXPECT_EQ(segment.result.torn_bytes, 0u) << "bytes of an earlier life came back";
  ASSERT_EQ(segment.records().size(), 2u);
  EXPECT_EQ(segment.records().back().key, key_of(4));
}

TEST_F(LogWriterTest, ClosingGivesBackReservedSpace) {
  LogWriter log = writer();
  ASSERT_TRUE(append(log, 1, 10).ok());
  synced(log);
  const std::string path = segment_path(kLog, 1);
  EXPECT_GE(fs.info(path)->disk_bytes, small_log().segment_bytes);
  ASSERT_TRUE(log.close().ok());
  EXPECT_EQ(fs.info(path)->disk_bytes, fs.info(path)->size);
  EXPECT_EQ(fs.info(path)->size, 4 * kPageBytes) << "header, a group of two pages, witness";
}

TEST_F(LogWriterTest, ClosingLeavesAWitnessOfEverythingBefore) {
  LogEnd end;
  for (std::uint64_t n = 0; n < 40; ++n) {
    LogWriter log = writer(end);
    ASSERT_TRUE(append(log, n, n % 3 == 0 ? 12'000 : 100).ok());
    const auto report = synced(log);
    const auto closed = log.close();
    ASSERT_TRUE(closed.ok());
    EXPECT_EQ(closed->end_segment, report.end_segment);
    EXPECT_EQ(closed->end_offset, report.end_offset + kPageBytes);

    const ScannedSegment last = scan(fs, closed->end_segment);
    ASSERT_GE(last.groups.size(), 2u);
    EXPECT_EQ(last.groups.back().header.synced_through, report.end_offset);
    EXPECT_EQ(last.groups.back().header.record_count, 0u);
    EXPECT_EQ(last.groups.back().header.total_bytes(), kPageBytes);
    EXPECT_EQ(last.size, closed->end_offset);
    EXPECT_LE(last.size, small_log().segment_bytes);
    end = {.segment = closed->end_segment, .offset = closed->end_offset, .sealed = false};
    end.open_records = last.records();
    end.next_sequence = closed->next_sequence;

    // Nothing appended, nothing to witness.
    const std::uint64_t before = fs.calls();
    EXPECT_TRUE(log.close().ok());
    EXPECT_TRUE(writer(end).close().ok());
    EXPECT_EQ(fs.calls(), before);
  }
  ASSERT_GE(end.segment, 2u);
  for (std::uint32_t number = 1; number < end.segment; ++number) {
    const ScannedSegment sealed = scan(fs, number);
    ASSERT_TRUE(sealed.table.has_value());
    EXPECT_EQ(sealed.table->records, sealed.records());
    EXPECT_LE(sealed.size, small_log().segment_bytes);
  }
}

}  // namespace
}  // namespace cairn::testing
