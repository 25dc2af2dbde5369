// SPDX-License-Identifier: Apache-2.0
//
// Giving space back: what goes, what stays, and that nobody else notices.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "api/src/gc_run.h"
#include "engine/content/digester.h"
#include "engine/io/tree_walk.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/segmented_store.h"

namespace cairn::testing {
namespace {

std::vector<std::byte> value_of(unsigned number) {
  std::mt19937_64 random(number);
  std::vector<std::byte> value(2'000 + number % 7 * 30'000);
  for (auto& byte : value) byte = static_cast<std::byte>(random());
  return value;
}

class GcTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_.path().string() + "/store"; }
  Store open_writer() {
    return Store::open(path(), {.mode = OpenMode::create, .create = kSmallStore, .threads = 2}).value();
  }
  Store open_reader() { return Store::open(path(), {.access = Access::read_only, .threads = 2}).value(); }

  ScratchFolder folder_;
};

TEST_F(GcTest, WhatIsRemovedGivesItsSpaceBackAndTheRestStays) {
  Store store = open_writer();
  std::vector<std::string> ids;
  for (unsigned i = 0; i < 80; ++i) ids.push_back(store.put({.bytes = value_of(i)}).value());
  const std::uint64_t before = store.stats().value().log_bytes;
  EXPECT_EQ(store.stats().value().dead_bytes, 0u);
  for (unsigned i = 0; i < 80; ++i) {
    if (i % 4 != 0) {
      ASSERT_TRUE(store.remove(ids[i]).value());
    }
  }
  const std::uint64_t dead = store.stats().value().dead_bytes;
  EXPECT_GT(dead, before / 2);
  const GcReport planned = store.gc({.max_dead = 0, .dry_run = true}).value();
  EXPECT_EQ(planned.dead_bytes, dead);
  EXPECT_EQ(store.stats().value().dead_bytes, dead);
  const GcReport report = store.gc({.max_dead = 0}).value();
  EXPECT_EQ(report.dead_bytes, 0u);
  EXPECT_GE(report.segments, planned.segments);
  EXPECT_GT(report.freed_bytes, before / 2);
  EXPECT_TRUE(report.damaged.empty());
  EXPECT_EQ(wrong_with_counts(store), "");
  for (unsigned i = 0; i < 80; i += 4) EXPECT_EQ(store.get(ids[i]).value(), value_of(i));
  // There is nothing more to do.
  const GcReport again = store.gc({.max_dead = 0}).value();
  EXPECT_EQ(again.segments, 0u);
  EXPECT_EQ(again.moved_bytes, 0u);
  ASSERT_TRUE(store.close().ok());
  EXPECT_LT(open_reader().stats().value().disk_bytes, before / 2);
  // The log alone says the same, segments that are missing and all.
  EXPECT_EQ(Store::rebuild_index(path()).value().quarantined, 0u);
  Store rebuilt = open_reader();
  EXPECT_EQ(wrong_with_counts(rebuilt), "");
  EXPECT_EQ(rebuilt.list().value().objects.size(), 20u);
}

TEST_F(GcTest, LittleThatIsDeadIsNotWorthMovingTheRest) {
  Store store = open_writer();
  std::vector<std::string> ids;
  for (unsigned i = 0; i < 60; ++i) ids.push_back(store.put({.bytes = value_of(i)}).value());
  ASSERT_TRUE(store.remove(ids[10]).value());
  EXPECT_EQ(store.gc({.max_dead = 0.5}).value().segments, 0u);
  const GcReport report = store.gc({.max_dead = 0}).value();
  EXPECT_GT(report.segments, 0u);
  EXPECT_EQ(report.dead_bytes, 0u);
}

TEST_F(GcTest, NothingLiveAtAllLeavesNextToNothing) {
  Store store = open_writer();
  std::vector<std::string> ids;
  for (unsigned i = 0; i < 60; ++i) ids.push_back(store.put({.bytes = value_of(i)}).value());
  for (const std::string& id : ids) ASSERT_TRUE(store.remove(id).value());
  const GcReport report = store.gc({.max_dead = 0}).value();
  EXPECT_EQ(report.dead_bytes, 0u);
  EXPECT_LT(report.moved_bytes, 8'000u);  // what says that something was removed
  ASSERT_TRUE(store.close().ok());
  EXPECT_EQ(Store::rebuild_index(path()).value().quarantined, 0u);
  EXPECT_TRUE(open_reader().list().value().objects.empty());
}

TEST_F(GcTest, TheShareIsAShare) {
  Store store = open_writer();
  for (const double share : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(store.gc({.max_dead = share}).error().code, ErrorCode::invalid_argument);
  }
  ASSERT_TRUE(store.put({.bytes = value_of(1)}).ok());
  Store reader = open_reader();
  EXPECT_EQ(reader.gc().error().code, ErrorCode::invalid_argument);
}

TEST_F(GcTest, ALostSegmentIsDamageAndAReclaimedOneIsNot) {
  {
    Store store = open_writer();
    std::vector<std::string> ids;
    for (unsigned i = 0; i < 60; ++i) ids.push_back(store.put({.bytes = value_of(i)}).value());
    for (unsigned i = 0; i < 12; ++i) ASSERT_TRUE(store.remove(ids[i]).value());
    ASSERT_GT(store.gc({.max_dead = 0}).value().segments, 0u);
    ASSERT_TRUE(store.close().ok());
  }
  {
    Store reader = open_reader();
    ASSERT_EQ(wrong_with_counts(reader), "");
  }
  std::vector<std::string> segments;
  for (const auto& file : std::filesystem::directory_iterator(path() + "/log")) {
    if (file.path().extension() == ".seg") segments.push_back(file.path());
  }
  std::sort(segments.begin(), segments.end());
  ASSERT_GT(segments.size(), 2u);
  std::filesystem::remove(segments[1]);
  const RepairReport report = Store::rebuild_index(path()).value();
  ASSERT_EQ(report.damage.size(), 1u);
  EXPECT_NE(report.damage.front().find("missing"), std::string::npos) << report.damage.front();
  // What is dead cannot be known: nothing is reclaimed.
  Store store = open_writer();
  EXPECT_EQ(store.gc({.max_dead = 0}).error().code, ErrorCode::corruption);
  const CheckReport check = store.check().value();
  EXPECT_FALSE(check.damaged.empty());
}

// A group that does not fit into the budget is written over many turns; others remove and
// reclaim between them.
TEST_F(GcTest, AValueThatIsWrittenInPartIsHeld) {
  Store store =
      Store::open(path(),
                  {.mode = OpenMode::create, .create = kSmallStore, .threads = 2, .writer = {.budget_bytes = 8 << 20}})
          .value();
  for (unsigned round = 0; round < 4; ++round) {
    const std::string shared = random_bytes(150'000, round);
    const auto shared_id = store.put({.bytes = std::as_bytes(std::span(shared)), .name = "before"}).value();
    const std::string large = random_bytes(24'000'000, 100 + round);
    std::atomic<bool> done = false;
    std::thread reclaims([&] {
      EXPECT_TRUE(store.remove(shared_id).ok());
      while (!done) {
        const auto report = store.gc({.max_dead = 0});
        ASSERT_TRUE(report.ok()) << report.error().message;
      }
    });
    std::vector<Put> puts;
    puts.push_back({.bytes = std::as_bytes(std::span(shared)), .name = "shared"});
    puts.push_back({.bytes = std::as_bytes(std::span(large)), .name = "large"});
    const auto ids = store.put_many(std::move(puts));
    done = true;
    reclaims.join();
    ASSERT_TRUE(ids.ok()) << ids.error().message;
    ASSERT_EQ(wrong_with_counts(store), "");
    const auto found = store.get(ids->back());
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_TRUE(std::ranges::equal(*found, std::as_bytes(std::span(large))));
    ASSERT_TRUE(store.remove(ids->back()).value());
  }
  EXPECT_EQ(store.gc({.max_dead = 0}).value().dead_bytes, 0u);
}

// The writer is stopped in the middle of a group, the first of which nothing else refers to.
TEST(GcHeldTest, AValueOfAGroupStaysWhileTheRestIsOnItsWay) {
  SegmentedStore log;
  const std::string shared = random_bytes(50'000, 1), moved(60'000, 'm'), large = random_bytes(24'000'000, 2);
  log.remove({log.store().put({.bytes = std::as_bytes(std::span(shared))}).value()});
  std::atomic<bool> reclaims = false;
  std::uint64_t appended = 0;
  std::thread other([&] {
    reclaims.wait(false);
    GcRun run(log.impl(), 0);
    const auto step = run.step();
    appended = log.store().writer_stats().log_bytes;
    ASSERT_TRUE(step.ok()) << step.error().message;
  });
  // On the writer's thread, which gives way to others once it has had its share of time.
  const auto stop_here = [&] {
    reclaims = true;
    reclaims.notify_one();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  };
  std::vector<Put> puts;
  puts.push_back({.bytes = std::as_bytes(std::span(shared))});
  puts.push_back({.bytes = std::as_bytes(std::span(moved)), .handover = Handover::move, .release = stop_here});
  puts.push_back({.bytes = std::as_bytes(std::span(large))});
  const auto ids = log.store().put_many(std::move(puts));
  other.join();
  ASSERT_TRUE(ids.ok()) << ids.error().message;
  EXPECT_LT(appended, large.size()) << "the group was whole before anything was reclaimed";
  EXPECT_EQ(wrong_with_counts(log.store()), "");
  for (const auto& [id, content] : {std::pair(ids->front(), &shared), std::pair(ids->back(), &large)}) {
    const auto found = log.store().get(id);
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_TRUE(std::ranges::equal(*found, std::as_bytes(std::span(*content))));
  }
}

// Who finds an object relies on its parts: the next add() does not look at a file that it remembers.
TEST(GcDeadObjectsTest, AFileWhosePartsAreGoneIsReadAgain) {
  SegmentedStore log;
  const ScratchFolder inputs;
  const std::string path = inputs / "in/opaque";
  const std::string content = random_bytes(1'500'000, 3);
  write_file(path, content);
  const auto add = [&] { return log.store().archive().add({inputs / "in"}, {.name = "n"}).value(); };
  ASSERT_EQ(add().version, 1u);
  const auto files = read_version(log.store(), "n@1").value();
  // As if it had not changed for long.
  const FileIdentity identity = InputFile::open(path).value()->identity();
  IndexBatch batch;
  batch.seen.emplace_back(path, SeenFile{.device = identity.device,
                                         .inode = identity.inode,
                                         .size = identity.size,
                                         .mtime_ns = identity.mtime_ns,
                                         .ctime_ns = identity.ctime_ns,
                                         .blob = digest_of(DigestKind::blake3, std::as_bytes(std::span(content))),
                                         .note = {}});
  ASSERT_TRUE(log.impl().apply_verdicts(std::move(batch)).ok());
  ASSERT_EQ(add().unchanged_files, 1u) << "it is remembered";
  // Its first blocks go, and what lists them is in a segment that stays.
  log.fill();
  log.fill();
  for (const std::uint64_t version : {1, 2}) ASSERT_TRUE(remove_version(log.impl(), "n", version).ok());
  ASSERT_EQ(log.store().gc({.max_dead = 0.5}).value().segments, 1u);
  ASSERT_EQ(log.segments().front(), 2u);
  ASSERT_EQ(add().unchanged_files, 0u);
  EXPECT_EQ(wrong_with_counts(log.store()), "");
  EXPECT_EQ(read_version(log.store(), "n@1").value(), files);
}

TEST_F(GcTest, ReadersHereAndElsewhereSeeNoError) {
  Store writer = open_writer();
  std::vector<std::string> kept;
  for (unsigned i = 0; i < 24; ++i) kept.push_back(writer.put({.bytes = value_of(i), .name = "kept"}).value());
  Store reader = open_reader();
  std::atomic<bool> done = false;
  std::atomic<std::size_t> reads = 0;
  const auto read = [&](Store& store, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!done) {
      const unsigned which = static_cast<unsigned>(random() % kept.size());
      const auto found = store.get(kept[which]);
      ASSERT_TRUE(found.ok()) << found.error().message;
      ASSERT_EQ(*found, value_of(which));
      ++reads;
    }
  };
  std::thread here([&] { read(writer, 1); });
  std::thread elsewhere([&] { read(reader, 2); });
  std::thread coming_and_going([&] {
    while (!done) {
      auto opened = Store::open(path(), {.access = Access::read_only, .threads = 2});
      ASSERT_TRUE(opened.ok()) << opened.error().message;
      EXPECT_TRUE(opened->info().recovery.damage.empty()) << opened->info().recovery.damage.front();
      Store fresh = std::move(opened).value();
      for (unsigned which = 0; which < kept.size(); which += 5) {
        const auto found = fresh.get(kept[which]);
        ASSERT_TRUE(found.ok()) << found.error().message;
      }
    }
  });
  for (unsigned round = 0; round < 30; ++round) {
    std::vector<std::string> passing;
    for (unsigned i = 0; i < 12; ++i) {
      passing.push_back(writer.put({.bytes = value_of(1'000 + 12 * round + i), .name = "passing"}).value());
    }
    for (const std::string& id : passing) EXPECT_TRUE(writer.remove(id).value());
    const auto report = writer.gc({.max_dead = 0});
    EXPECT_TRUE(report.ok()) << report.error().message;
  }
  done = true;
  here.join();
  elsewhere.join();
  coming_and_going.join();
  EXPECT_GT(reads, 50u);
  EXPECT_EQ(reader.list().value().objects.size(), kept.size());
  EXPECT_EQ(wrong_with_counts(writer), "");
}

}  // namespace
}  // namespace cairn::testing
