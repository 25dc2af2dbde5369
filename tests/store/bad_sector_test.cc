// SPDX-License-Identifier: Apache-2.0
//
// A sector of the log that the device does not read: reclaiming, the scrub and repair name it and
// go on with the rest, and nothing is lost that was not lost with it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/log/segment_scan.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/segmented_store.h"

namespace cairn::testing {
namespace {

// Where the bad sector is. A head is read only where the table is of no use.
enum class Place { a_block, a_root, the_table, the_footer, a_head };

const char* name_of(Place place) {
  switch (place) {
    case Place::a_block: return "block";
    case Place::a_root: return "root";
    case Place::the_table: return "table";
    case Place::the_footer: return "footer";
    case Place::a_head: return "head";
  }
  return "";
}

// Four segments, in each of which one value in two is dead; the second has the bad sector.
class BadSectorTest : public ::testing::TestWithParam<Place> {
 protected:
  static constexpr std::uint32_t kBad = 2;

  void SetUp() override {
    for (unsigned segment = 1; segment <= 4; ++segment) {
      const auto ids = log_.fill();
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i % 2 == 0) {
          live_.push_back(ids[i]);
        } else {
          log_.remove({ids[i]});
        }
      }
    }
    log_.fill();
    ASSERT_EQ(log_.segments().front(), 1u);
    for (const std::string& id : live_) {
      const auto at = log_.impl().index().find_block(digest(id)).value();
      if (at->segment == kBad) chosen_ = id;
    }
    ASSERT_NE(chosen_, "");
  }

  static Digest digest(const std::string& id) { return parse_digest(DigestKind::blake3, id).value(); }

  void break_it(Repeat repeat) {
    const std::string file = log_.file_of(kBad);
    const OpenSegment segment = open_segment(log_.fs(), "store/log", kBad, log_.impl().store_tag()).value();
    std::string damage;
    const std::uint64_t table = read_table(segment, damage).value()->groups_end;
    switch (GetParam()) {
      case Place::a_block: {
        const auto at = log_.impl().index().find_block(digest(chosen_)).value();
        return log_.fs().bad_sector(file, at->offset + at->stored_bytes / 2, 1, repeat);
      }
      case Place::a_root: {
        const auto at = log_.impl().index().find_root_place(RecordKind::blob, digest(chosen_), "").value();
        ASSERT_EQ(at->segment, kBad);
        return log_.fs().bad_sector(file, at->offset, 1, repeat);
      }
      case Place::the_table: return log_.fs().bad_sector(file, table, 1, repeat);
      case Place::the_footer: return log_.fs().bad_sector(file, segment.size - 1, 1, repeat);
      case Place::a_head:
        ASSERT_TRUE(log_.fs().flip_bit(file, table, 3).ok());
        return log_.fs().bad_sector(file, 4096, 1, repeat);
    }
  }

  bool is_there(std::uint32_t segment) { return std::ranges::count(log_.segments(), segment) > 0; }
  // Those of the live values that cannot be read.
  std::vector<std::string> unreadable() {
    std::vector<std::string> ids;
    for (const std::string& id : live_) {
      if (!log_.store().get(id).ok()) ids.push_back(id);
    }
    return ids;
  }
  std::vector<std::string> lost() const {
    return GetParam() == Place::a_block ? std::vector{chosen_} : std::vector<std::string>();
  }

  SegmentedStore log_;
  std::vector<std::string> live_;
  std::string chosen_;  // of them, in the second segment
};

TEST_P(BadSectorTest, ReclaimingLeavesItsSegmentAloneAndGoesOn) {
  break_it(Repeat::forever);
  const auto report = log_.store().gc({.max_dead = 0});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_TRUE(log_.fs().fault_fired());
  ASSERT_EQ(report->damaged.size(), 1u);
  EXPECT_EQ(report->damaged.front().find(log_.file_of(kBad)), 0u) << report->damaged.front();
  EXPECT_NE(report->damaged.front().find("a bad sector"), std::string::npos) << report->damaged.front();
  EXPECT_TRUE(is_there(kBad));
  for (const std::uint32_t other : {1, 3, 4}) EXPECT_FALSE(is_there(other)) << other;
  EXPECT_EQ(unreadable(), lost());
  // A device may come back.
  log_.fs().clear_faults();
  EXPECT_EQ(unreadable(), std::vector<std::string>());
  const GcReport again = log_.store().gc({.max_dead = 0}).value();
  EXPECT_TRUE(again.damaged.empty()) << again.damaged.front();
  EXPECT_FALSE(is_there(kBad));
  EXPECT_EQ(again.dead_bytes, 0u);
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
  EXPECT_TRUE(log_.rebuild().empty());
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
  EXPECT_EQ(unreadable(), std::vector<std::string>());
}

TEST_P(BadSectorTest, OnceIsADevicesMoment) {
  break_it(Repeat::once);
  const GcReport report = log_.store().gc({.max_dead = 0}).value();
  EXPECT_TRUE(log_.fs().fault_fired());
  EXPECT_TRUE(report.damaged.empty()) << report.damaged.front();
  EXPECT_EQ(report.dead_bytes, 0u);
  EXPECT_EQ(wrong_with_counts(log_.store()), "");
  EXPECT_EQ(unreadable(), std::vector<std::string>());
}

TEST_P(BadSectorTest, TheScrubNamesItOnceAndGoesOn) {
  break_it(Repeat::forever);
  const std::size_t segments = log_.segments().size();
  const auto report = log_.store().scrub();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_TRUE(log_.fs().fault_fired());
  EXPECT_EQ(report->segments, segments);
  EXPECT_EQ(report->quarantined, lost().size());
  ASSERT_EQ(report->damaged.size(), 1u) << report->damaged.back().what;
  if (GetParam() == Place::a_root || GetParam() == Place::a_block) {
    ASSERT_EQ(report->damaged.front().affected.size(), 1u);
    EXPECT_NE(report->damaged.front().affected.front().find(chosen_), std::string::npos);
  } else {
    EXPECT_NE(report->damaged.front().what.find(log_.file_of(kBad)), std::string::npos);
  }
  log_.fs().clear_faults();
  const ScrubReport again = log_.store().scrub().value();
  EXPECT_EQ(again.quarantined, 0u);
  EXPECT_TRUE(again.damaged.empty()) << again.damaged.front().what;
}

TEST_P(BadSectorTest, RepairAndCheckGoOn) {
  break_it(Repeat::forever);
  const auto checked = log_.store().check({.read_data = true});
  ASSERT_TRUE(checked.ok()) << checked.error().message;
  EXPECT_EQ(checked->damaged.empty(), GetParam() == Place::a_root) << "check reads no names";
  const auto repaired = log_.store().repair();
  ASSERT_TRUE(repaired.ok()) << repaired.error().message;
  EXPECT_EQ(repaired->quarantined, lost().size());
  // The index has what the record of a name said.
  EXPECT_EQ(repaired->blocks_repaired, GetParam() == Place::a_root ? 1u : 0u);
  EXPECT_EQ(repaired->damaged.empty(), GetParam() == Place::a_root);
  EXPECT_EQ(unreadable(), lost());
}

TEST_P(BadSectorTest, WhatReclaimsByItselfSaysWhatItLeftAlone) {
  break_it(Repeat::forever);
  log_.reopen(
      {.reclaim = ReclaimOptions{.max_dead = 0, .min_dead_bytes = 0, .interval = std::chrono::milliseconds(1)}});
  Store& store = log_.store();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (store.reclaim_stats().damaged.empty() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  store.pause_reclaiming();
  const ReclaimStats stats = store.reclaim_stats();
  EXPECT_EQ(stats.failures, 0u) << stats.error;
  ASSERT_EQ(stats.damaged.size(), 1u);
  EXPECT_EQ(stats.damaged.front().find(log_.file_of(kBad)), 0u) << stats.damaged.front();
  EXPECT_NE(store.metrics_text().find("cairn_reclaim_damaged_segments 1\n"), std::string::npos);
  EXPECT_NE(store.state_dump().find("left alone: " + stats.damaged.front()), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(, BadSectorTest,
                         ::testing::Values(Place::a_block, Place::a_root, Place::the_table, Place::the_footer,
                                           Place::a_head),
                         [](const auto& place) { return name_of(place.param); });

// The groups of a segment say all that its table does.
TEST(DamagedTableTest, NothingIsLostWithATable) {
  SegmentedStore log;
  const auto first = log.fill(), second = log.fill();
  log.fill();
  const OpenSegment segment = open_segment(log.fs(), "store/log", 2, log.impl().store_tag()).value();
  const std::uint64_t table = read_groups_end(segment).value().value();
  ASSERT_TRUE(log.fs().flip_bit(log.file_of(2), table + 30, 5).ok());
  const auto damage = log.rebuild();
  ASSERT_EQ(damage.size(), 1u);
  EXPECT_NE(damage.front().find("table"), std::string::npos) << damage.front();
  for (const std::string& id : second) EXPECT_TRUE(log.store().get(id).ok());
  log.remove({first.front(), second.front()});
  const auto report = log.store().gc({.max_dead = 0});
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_TRUE(report->damaged.empty()) << report->damaged.front();
  EXPECT_GT(log.segments().front(), 2u);
  EXPECT_TRUE(log.rebuild().empty());
  EXPECT_EQ(wrong_with_counts(log.store()), "");
}

}  // namespace
}  // namespace cairn::testing
