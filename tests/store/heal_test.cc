// SPDX-License-Identifier: Apache-2.0
//
// Damage in a part of the log: all of it is found, exactly what it affects is named, the rest is
// read, and what is put in again heals it. Counts stay exact all the while.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <thread>

#include "engine/log/segment_files.h"
#include "engine/log/segment_scan.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/heal_scenario.h"
#include "tests/support/store_scenario.h"
#include "tests/support/sweep_step.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";

enum class What { blocks, objects, everything };
enum class Rebuild { never, before_repair, before_healing, after_healing };

bool is_chosen(What what, RecordKind kind) {
  if (is_statement(kind)) return false;
  if (what == What::blocks) return kind == RecordKind::block;
  // A snapshot says when something was added: it does not come again.
  if (what == What::objects) return kind != RecordKind::block && kind != RecordKind::snapshot;
  return true;
}

class HealTest : public ::testing::Test {
 protected:
  void SetUp() override { scenario_.prepare(fs_, kStore); }

  void rebuild() { ASSERT_TRUE(StoreImpl::rebuild_index(fs_, kStore, {}).ok()); }
  std::vector<std::uint32_t> segments() { return list_segments(fs_, StoreLayout(kStore).log()).value(); }
  std::string segment_file(std::uint32_t number) { return segment_path(StoreLayout(kStore).log(), number); }
  std::uint64_t table_of(std::uint32_t number) {
    const auto impl = StoreImpl::open(fs_, kStore, {.access = Access::read_only, .threads = 1}, {}).value();
    const OpenSegment segment = open_segment(fs_, StoreLayout(kStore).log(), number, impl->store_tag()).value();
    std::string damage;
    return read_table(segment, damage).value()->groups_end;
  }
  // For good: a handle that is only closed still reads the index.
  static void close(Store& store) {
    EXPECT_TRUE(store.close().ok());
    const Store gone(std::move(store));
  }
  static std::set<std::string> all_that_is_said(Store& store) {
    std::set<std::string> all;
    const auto objects = store.list();
    const auto refs = store.archive().list();
    EXPECT_TRUE(objects.ok() && refs.ok());
    for (const Object& object : objects->objects) all.insert(object.id);
    for (const RefInfo& ref : *refs) all.insert(ref.name + "@" + std::to_string(ref.version));
    return all;
  }
  static CheckReport check(Store& store) { return store.check({.read_data = true}).value(); }

  // Those of one segment in twenty, never the last.
  std::vector<PlacedRecord> chosen(What what, std::uint64_t seed) {
    const auto all = segments();
    const std::size_t every = std::max<std::size_t>(1, std::min<std::size_t>(20, all.size() - 1));
    std::vector<PlacedRecord> out;
    for (const PlacedRecord& at : HealScenario::records(fs_, kStore)) {
      if (at.segment != all.back() && at.segment % every == seed % every && is_chosen(what, at.record.kind) &&
          at.record.stored_bytes > 0) {
        out.push_back(at);
      }
    }
    return out;
  }

  HealScenario scenario_{120};
  SimFileSystem fs_;
};

class HealSweepTest : public HealTest, public ::testing::WithParamInterface<std::tuple<What, Rebuild>> {};

TEST_P(HealSweepTest, OneSegmentInTwentyIsFoundNamedAndHealed) {
  const auto [what, when] = GetParam();
  const std::uint64_t seed = test_seed(31);
  const std::vector<PlacedRecord> damaged = chosen(what, seed);
  ASSERT_FALSE(damaged.empty());
  HealScenario::damage(fs_, kStore, damaged);
  std::set<std::string> unreadable;
  {
    Store reader = open_store(fs_, kStore, Access::read_only);
    const CheckReport report = check(reader);
    unreadable = scenario_.unreadable(reader);
    ASSERT_FALSE(unreadable.empty());
    ASSERT_LT(unreadable.size(), scenario_.things() / 2) << "the rest is to be read";
    EXPECT_EQ(scenario_.affected(report.damaged), unreadable);
  }
  if (when == Rebuild::before_repair) rebuild();
  std::set<std::string> lost;
  {
    Store store = open_store(fs_, kStore);
    const RepairReport repaired = store.repair().value();
    EXPECT_EQ(repaired.quarantined, damaged.size());
    EXPECT_EQ(repaired.blocks_repaired, 0u);
    EXPECT_EQ(scenario_.affected(repaired.damaged), unreadable);
    // What was found is known from then on, without reading blocks again.
    EXPECT_EQ(scenario_.affected(store.check({}).value().damaged), unreadable);
    EXPECT_EQ(scenario_.unreadable(store), unreadable);
    lost = scenario_.lost_versions(repaired.damaged);
    ASSERT_TRUE(store.close().ok());
  }
  if (when == Rebuild::before_healing) {
    rebuild();
    Store store = open_store(fs_, kStore);
    EXPECT_EQ(store.scrub().value().quarantined, damaged.size()) << "found anew";
    ASSERT_TRUE(store.close().ok());
  }
  Store reader = open_store(fs_, kStore, Access::read_only);
  Store store = open_store(fs_, kStore);
  const Status healed = scenario_.put_in(store);
  ASSERT_TRUE(healed.ok()) << healed.error().message;
  for (Store* const handle : {&store, &reader}) {
    std::set<std::string> left = scenario_.unreadable(*handle);
    std::erase_if(left, [&](const std::string& name) { return lost.contains(name.substr(0, name.find(':'))); });
    EXPECT_TRUE(left.empty()) << *left.begin() << (handle == &reader ? " for a reader beside" : "");
  }
  if (what != What::everything) {
    ASSERT_TRUE(lost.empty());
    ASSERT_EQ(wrong_with_counts(store), "");
  }
  // A version whose own record is damaged does not come again, and may be removed.
  for (const std::string& ref : lost) {
    ASSERT_TRUE(store.archive().remove(ref).ok());
    scenario_.forget_version(ref);
  }
  close(reader);
  close(store);
  if (when == Rebuild::after_healing || !lost.empty()) rebuild();
  Store again = open_store(fs_, kStore);
  ASSERT_EQ(wrong_with_counts(again), "");
  const GcReport collected = again.gc({.max_dead = 0}).value();
  EXPECT_TRUE(collected.damaged.empty()) << collected.damaged.front();
  EXPECT_EQ(collected.dead_bytes, 0u);
  EXPECT_TRUE(scenario_.unreadable(again).empty());
  EXPECT_EQ(again.repair().value().quarantined, 0u);
  ASSERT_EQ(wrong_with_counts(again), "");
  close(again);
  rebuild();
  Store last = open_store(fs_, kStore);
  EXPECT_TRUE(last.info().recovery.damage.empty());
  EXPECT_TRUE(scenario_.unreadable(last).empty());
  EXPECT_EQ(wrong_with_counts(last), "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, HealSweepTest,
                         ::testing::Combine(::testing::Values(What::blocks, What::objects, What::everything),
                                            ::testing::Values(Rebuild::never, Rebuild::before_repair,
                                                              Rebuild::before_healing, Rebuild::after_healing)));

TEST_F(HealTest, WhatAReadFindsIsWrittenAgainByThePutThatFollows) {
  const std::string content = random_bytes(200'000, 7);
  Store store = open_store(fs_, kStore);
  const std::string id = store.put({.bytes = std::as_bytes(std::span(content))}).value();
  std::vector<PlacedRecord> blocks;
  for (const PlacedRecord& at : HealScenario::records(fs_, kStore)) {
    if (at.record.kind == RecordKind::block) blocks.push_back(at);
  }
  HealScenario::damage(fs_, kStore, {blocks.back()});
  Store reader = open_store(fs_, kStore, Access::read_only);
  ASSERT_EQ(store.get(id).error().code, ErrorCode::corruption);
  ASSERT_EQ(reader.get(id).error().code, ErrorCode::corruption);
  EXPECT_EQ(store.put({.bytes = std::as_bytes(std::span(content))}).value(), id);
  for (Store* const handle : {&store, &reader}) {
    const auto read = handle->get(id);
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_TRUE(std::ranges::equal(*read, std::as_bytes(std::span(content))));
  }
  EXPECT_EQ(wrong_with_counts(store), "");
}

TEST_F(HealTest, AFileThatLooksUnchangedIsReadAgainWhileItsContentIsDamaged) {
  ScratchFolder inputs;
  write_file(inputs / "kept/file", random_bytes(300'000, 8));
  write_file(inputs / "kept/other", random_bytes(300'000, 9));
  std::this_thread::sleep_for(std::chrono::milliseconds(2'100));  // or its time would say nothing
  const auto add = [&] {
    Store store = open_store(fs_, kStore);
    const AddReport report = store.archive().add({inputs / "kept"}, {.name = "kept"}).value();
    EXPECT_TRUE(store.close().ok());
    return report;
  };
  std::set<std::pair<std::uint32_t, std::uint64_t>> before;
  for (const auto& at : HealScenario::records(fs_, kStore)) before.insert({at.segment, at.record.payload_offset});
  add();
  ASSERT_EQ(add().unchanged_files, 2u);
  for (const PlacedRecord& at : HealScenario::records(fs_, kStore)) {
    if (at.record.kind != RecordKind::block || before.contains({at.segment, at.record.payload_offset})) continue;
    HealScenario::damage(fs_, kStore, {at});
    break;
  }
  {
    Store store = open_store(fs_, kStore);
    EXPECT_EQ(store.repair().value().quarantined, 1u);
    ASSERT_TRUE(store.close().ok());
  }
  const AddReport healing = add();
  EXPECT_EQ(healing.unchanged_files, 1u) << "the other one is whole";
  EXPECT_EQ(healing.new_blocks, 1u);
  EXPECT_EQ(add().unchanged_files, 2u);
  Store store = open_store(fs_, kStore);
  EXPECT_EQ(wrong_with_counts(store), "");
}

TEST_F(HealTest, AnotherWholeCopyIsWrittenAgain) {
  const auto damaged = chosen(What::blocks, 3);
  ASSERT_FALSE(damaged.empty());
  HealScenario::damage(fs_, kStore, damaged);
  {
    Store store = open_store(fs_, kStore);
    ASSERT_EQ(store.repair().value().quarantined, damaged.size());
    ASSERT_TRUE(scenario_.put_in(store).ok());
    ASSERT_TRUE(store.close().ok());
  }
  // The first copies come back, and the second ones go.
  std::set<Digest> keys;
  for (const PlacedRecord& at : damaged) keys.insert(at.record.key);
  std::vector<PlacedRecord> second;
  for (const PlacedRecord& at : HealScenario::records(fs_, kStore)) {
    if (at.record.kind == RecordKind::block && keys.contains(at.record.key)) second.push_back(at);
  }
  ASSERT_EQ(second.size(), damaged.size());
  HealScenario::damage(fs_, kStore, damaged);
  HealScenario::damage(fs_, kStore, second);
  Store store = open_store(fs_, kStore);
  EXPECT_FALSE(scenario_.unreadable(store).empty());
  const RepairReport repaired = store.repair().value();
  EXPECT_EQ(repaired.blocks_repaired, second.size());
  EXPECT_EQ(repaired.quarantined, 0u);
  EXPECT_TRUE(repaired.damaged.empty());
  EXPECT_TRUE(scenario_.unreadable(store).empty());
  EXPECT_EQ(wrong_with_counts(store), "");
}

TEST_F(HealTest, WhatIsWholeAgainIsNoLongerQuarantined) {
  const auto damaged = chosen(What::everything, 2);
  ASSERT_FALSE(damaged.empty());
  HealScenario::damage(fs_, kStore, damaged);
  rebuild();  // live objects that cannot be read are not counted
  {
    Store store = open_store(fs_, kStore);
    ASSERT_EQ(store.repair().value().quarantined, damaged.size());
    EXPECT_EQ(store.gc().error().code, ErrorCode::corruption) << "it is not sure what is dead";
    ASSERT_TRUE(store.close().ok());
  }
  HealScenario::damage(fs_, kStore, damaged);  // the same bits once more
  Store store = open_store(fs_, kStore);
  EXPECT_EQ(store.repair().value().quarantined, 0u);
  EXPECT_TRUE(scenario_.unreadable(store).empty());
  EXPECT_EQ(wrong_with_counts(store), "");
  EXPECT_TRUE(store.gc({.max_dead = 0}).ok());
}

TEST_F(HealTest, NamesWhoseRecordsAreDamagedAreWrittenAgain) {
  std::vector<PlacedRecord> damaged;
  for (const PlacedRecord& at : HealScenario::records(fs_, kStore)) {
    if (at.record.kind == RecordKind::ref || at.record.kind == RecordKind::roots) damaged.push_back(at);
  }
  std::erase_if(damaged, [&](const PlacedRecord& at) { return at.segment == segments().back(); });
  ASSERT_GT(damaged.size(), 50u);
  HealScenario::damage(fs_, kStore, damaged);
  Store store = open_store(fs_, kStore);
  EXPECT_EQ(store.repair().value().blocks_repaired, damaged.size());
  const GcReport collected = store.gc({.max_dead = 0}).value();
  EXPECT_TRUE(collected.damaged.empty()) << collected.damaged.front();
  EXPECT_EQ(wrong_with_counts(store), "");
  close(store);
  rebuild();
  Store rebuilt = open_store(fs_, kStore);
  EXPECT_TRUE(rebuilt.info().recovery.damage.empty());
  EXPECT_TRUE(scenario_.unreadable(rebuilt).empty());
  EXPECT_EQ(wrong_with_counts(rebuilt), "");
}

// The records are gone with the end of a file: only the index knows what they said.
TEST_F(HealTest, NamesThatWereInTheEndOfAFileThatIsCutAreWrittenAgain) {
  // The last file but one that has a name behind its middle.
  std::optional<PlacedRecord> last;
  for (const PlacedRecord& at : HealScenario::records(fs_, kStore)) {
    const bool is_name = at.record.kind == RecordKind::ref || at.record.kind == RecordKind::roots;
    if (is_name && at.segment != segments().back()) last = at;
  }
  ASSERT_TRUE(last.has_value());
  std::set<std::string> before;
  {
    Store store = open_store(fs_, kStore);
    before = all_that_is_said(store);
    close(store);
  }
  {
    const auto file = fs_.open(segment_file(last->segment), {.write = true}).value();
    ASSERT_TRUE(file->truncate(last->record.payload_offset).ok());
    ASSERT_TRUE(file->sync().ok());
  }
  Store store = open_store(fs_, kStore);
  const auto told = store.scrub().value().damaged;
  EXPECT_TRUE(std::ranges::any_of(told, [](const Damage& damage) {
    return damage.what.find("the record of a name is damaged") != std::string::npos;
  }));
  EXPECT_GE(store.repair().value().blocks_repaired, 1u);
  close(store);
  rebuild();
  Store rebuilt = open_store(fs_, kStore);
  EXPECT_EQ(all_that_is_said(rebuilt), before);
}

// Nothing that is needed is lost with it: the index, and the rest of the segment, say what is there.
TEST_F(HealTest, ASegmentWithADamagedHeaderTableOrHeadIsReclaimed) {
  const auto all = segments();
  ASSERT_GT(all.size(), 6u);
  const auto flip = [&](std::uint32_t segment, std::uint64_t at) {
    ASSERT_TRUE(fs_.flip_bit(segment_file(segment), at, 2).ok());
  };
  flip(all[0], 20);
  flip(all[1], table_of(all[1]) + 30);
  flip(all[2], kPageBytes + 30);
  Store store = open_store(fs_, kStore);
  EXPECT_EQ(check(store).damaged.size(), 3u);
  EXPECT_TRUE(scenario_.unreadable(store).empty());
  // Something in each is no longer needed.
  std::size_t removed = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    for (const PlacedRecord& at : HealScenario::records(fs_, kStore)) {
      if (at.segment != all[i] || is_statement(at.record.kind)) continue;
      removed += store.remove(to_text(DigestKind::blake3, at.record.key)).value() ? 1 : 0;
    }
  }
  EXPECT_GE(removed, 3u);
  const GcReport collected = store.gc({.max_dead = 0}).value();
  EXPECT_TRUE(collected.damaged.empty()) << collected.damaged.front();
  EXPECT_EQ(wrong_with_counts(store), "") << "the damaged places are gone";
  EXPECT_EQ(scenario_.unreadable(store).size(), removed);
}

TEST_F(HealTest, WhatARebuiltIndexHasLostComesBackWithItsContent) {
  const auto all = segments();
  for (const std::uint32_t segment : {all[1], all[2]}) {
    ASSERT_TRUE(fs_.flip_bit(segment_file(segment), table_of(segment) + 30, 2).ok());
    ASSERT_TRUE(fs_.flip_bit(segment_file(segment), kPageBytes + 30, 2).ok());
  }
  rebuild();
  Store store = open_store(fs_, kStore);
  EXPECT_FALSE(scenario_.unreadable(store).empty());
  ASSERT_TRUE(scenario_.put_in(store).ok());
  EXPECT_TRUE(scenario_.unreadable(store).empty());
  const CheckReport report = check(store);
  for (const Damage& damage : report.damaged) EXPECT_TRUE(damage.affected.empty()) << damage.what;
}

TEST_F(HealTest, TheScrubVerifiesWhatHasWaitedLongestAndGoesOnWhereItWas) {
  const auto all = segments();
  std::uint64_t records = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Store store = open_store(fs_, kStore);
    const ScrubReport report = store.scrub({.max_bytes = 1}).value();
    EXPECT_EQ(report.segments, 1u);
    EXPECT_EQ(report.segments_left, all.size() - 1);
    EXPECT_EQ(report.oldest_ns == 0, i + 1 < all.size());
    records += report.records;
    ASSERT_TRUE(store.close().ok());
  }
  EXPECT_EQ(records, HealScenario::records(fs_, kStore).size());
  Store store = open_store(fs_, kStore);
  ASSERT_FALSE(HealTest::HasFailure());
  // The first one is the next.
  std::vector<PlacedRecord> damaged;
  for (const PlacedRecord& at : HealScenario::records(fs_, kStore)) {
    const bool soon = at.segment == all[0] || at.segment == all[1];
    if (soon && at.record.kind == RecordKind::block) damaged.push_back(at);
  }
  HealScenario::damage(fs_, kStore, damaged);
  const ScrubReport found = store.scrub({.max_bytes = 1}).value();
  EXPECT_EQ(found.segments, 1u);
  EXPECT_LT(found.quarantined, damaged.size());
  EXPECT_GT(found.quarantined, 0u);
  // And then the second.
  const ScrubReport next = store.scrub({.max_bytes = 1}).value();
  EXPECT_EQ(next.segments, 1u);
  EXPECT_EQ(next.quarantined, damaged.size());
  EXPECT_EQ(scenario_.affected(next.damaged), scenario_.unreadable(store));
}

TEST_F(HealTest, TheScrubKeepsToItsRateAndStopsWhenAsked) {
  Store store = open_store(fs_, kStore);
  const auto began = std::chrono::steady_clock::now();
  const ScrubReport report = store.scrub({.bytes_per_second = 2 * MiB, .max_seconds = 0.3}).value();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  EXPECT_GE(took.count(), 0.25);
  EXPECT_LT(static_cast<double>(report.bytes_read) / took.count(), 4.0 * MiB);
  std::stop_source stop;
  Progress progress;
  progress.stop = stop.get_token();
  std::thread asks([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop.request_stop();
  });
  EXPECT_EQ(store.scrub({.bytes_per_second = 1'000}, progress).error().code, ErrorCode::cancelled);
  asks.join();
  Store reader = open_store(fs_, kStore, Access::read_only);
  EXPECT_EQ(reader.scrub().error().code, ErrorCode::invalid_argument);
}

TEST_F(HealTest, TheScrubIsBesideWhoWritesAndReclaims) {
  Store store = open_store(fs_, kStore);
  std::atomic<bool> done = false;
  std::thread scrubs([&] {
    while (!done) {
      const auto report = store.scrub();
      ASSERT_TRUE(report.ok()) << report.error().message;
      ASSERT_EQ(report->quarantined, 0u);
    }
  });
  for (unsigned round = 0; round < 12; ++round) {
    std::vector<std::string> ids;
    for (unsigned i = 0; i < 8; ++i) {
      const std::string value = random_bytes(100'000, 9'000 + 8 * round + i);
      ids.push_back(store.put({.bytes = std::as_bytes(std::span(value))}).value());
    }
    for (const std::string& id : ids) EXPECT_TRUE(store.remove(id).value());
    EXPECT_TRUE(store.gc({.max_dead = 0}).ok());
  }
  done = true;
  scrubs.join();
  EXPECT_EQ(wrong_with_counts(store), "");
}

// Whatever a cut leaves: what was whole is read, and the rest heals as before.
TEST(HealPowerLossTest, ACutAtAnyCallOfRepairLosesNothing) {
  HealScenario scenario(24);
  SimFileSystem prepared;
  scenario.prepare(prepared, kStore);
  std::vector<PlacedRecord> damaged;
  std::size_t n = 0;
  for (const PlacedRecord& at : HealScenario::records(prepared, kStore)) {
    if (at.record.kind == RecordKind::block && n++ % 9 == 4) damaged.push_back(at);
    if (at.record.kind == RecordKind::roots && n % 5 == 1) damaged.push_back(at);
  }
  HealScenario::damage(prepared, kStore, damaged);
  std::set<std::string> unreadable;
  {
    Store reader = open_store(prepared, kStore, Access::read_only);
    unreadable = scenario.unreadable(reader);
  }
  ASSERT_FALSE(unreadable.empty());
  const auto repair = [](FileSystem& fs) -> Status {
    CAIRN_TRY(auto impl, StoreImpl::open(fs, kStore, {.threads = 2}, {}));
    Store store = StoreImpl::handle(std::move(impl));
    CAIRN_TRY(const RepairReport report, store.repair());
    return store.close();
  };
  std::uint64_t calls = 0;
  {
    const auto fs = prepared.survivor(1, Loss::keep_all);
    const std::uint64_t before = fs->write_calls();
    ASSERT_TRUE(repair(*fs).ok());
    calls = fs->write_calls() - before;
  }
  const std::uint64_t seed = test_seed(32);
  const std::size_t step = sweep_step(3, 1);
  std::size_t checked = 0;
  for (std::uint64_t at = 1 + seed % step; at <= calls; at += step) {
    const auto fs = prepared.survivor(seed + at, Loss::keep_all);
    fs->crash_at(at);
    static_cast<void>(repair(*fs).ok());
    for (const Loss loss : kLosses) {
      const auto survivor = fs->survivor(seed * 100 + at, loss);
      const std::string where = "CAIRN_TEST_SEED=" + std::to_string(seed) + " cut at call " + std::to_string(at) +
                                " of " + std::to_string(calls) + ", loss " + std::to_string(static_cast<int>(loss));
      std::optional<Store> opened(open_store(*survivor, kStore));
      Store& store = *opened;
      ASSERT_EQ(scenario.unreadable(store), unreadable) << where;
      ASSERT_TRUE(store.repair().ok()) << where;
      ASSERT_TRUE(scenario.put_in(store).ok()) << where;
      ASSERT_TRUE(scenario.unreadable(store).empty()) << where;
      ASSERT_EQ(wrong_with_counts(store), "") << where;
      const auto collected = store.gc({.max_dead = 0});
      ASSERT_TRUE(collected.ok()) << where << collected.error().message;
      ASSERT_TRUE(collected->damaged.empty()) << where << collected->damaged.front();
      ASSERT_TRUE(store.close().ok()) << where;
      opened.reset();
      const auto anew = StoreImpl::rebuild_index(*survivor, kStore, {});
      ASSERT_TRUE(anew.ok()) << where << anew.error().message;
      Store rebuilt = open_store(*survivor, kStore);
      ASSERT_TRUE(rebuilt.info().recovery.damage.empty()) << where;
      ASSERT_EQ(wrong_with_counts(rebuilt), "") << where;
      ASSERT_TRUE(scenario.unreadable(rebuilt).empty()) << where;
      for (const char* const again : {"data0@2", "data1@2", "data2@2"}) scenario.forget_version(again);
      ++checked;
    }
  }
  std::printf("%zu states of %lu calls, CAIRN_TEST_SEED=%lu\n", checked, calls, seed);
}

}  // namespace
}  // namespace cairn::testing
