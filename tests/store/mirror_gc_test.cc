// SPDX-License-Identifier: Apache-2.0
//
// Reclaiming a mirror: what no store needs goes once the grace is over, everything else stays, and what is damaged is
// healed as far as it can be.
#include <gtest/gtest.h>

#include "tests/store/mirror_gc_fixture.h"

namespace cairn::testing {
namespace {

TEST_F(MirrorGcTest, WhatNoStoreNeedsIsNotedThenRemovedOnceTheGraceIsOver) {
  OpenedStore a = open("a");
  for (std::uint64_t seed = 2; seed < 8; ++seed) add_small(a.store, "model", seed);
  push_well(*a.impl, small_packs());
  const std::uint64_t all = packed();
  for (int version = 1; version < 5; ++version) remove(a.store, "model@" + std::to_string(version));
  push_well(*a.impl, small_packs());
  // Young, it may be of a push that says it later.
  EXPECT_EQ(gc_well().noted_packs, 0u);
  later(kGrace + std::chrono::hours(1));
  const auto noted = gc_well();
  EXPECT_GT(noted.noted_bytes, all / 2);
  EXPECT_EQ(noted.removed_packs, 0u);
  EXPECT_GE(packed(), all);
  expect_all_of(a, "noted");
  EXPECT_EQ(gc_well().removed_packs, 0u);  // not yet
  later(kGrace + std::chrono::hours(1));
  const auto removed = gc_well();
  EXPECT_EQ(removed.removed_bytes, noted.noted_bytes);
  EXPECT_LT(packed(), all / 2);
  expect_all_of(a, "removed");
  // Nothing is left to do.
  later(kGrace + std::chrono::hours(1));
  const auto objects = bucket_.objects().size();
  const auto idle = gc_well();
  EXPECT_EQ(idle.noted_packs + idle.removed_packs + idle.copied_records, 0u);
  EXPECT_LE(bucket_.objects().size(), objects);
  EXPECT_EQ(bucket_.count("reclaim/"), 1u);
}

TEST_F(MirrorGcTest, WithoutAGraceItGoesAtOnce) {
  OpenedStore a = open("a");
  for (std::uint64_t seed = 2; seed < 8; ++seed) add_small(a.store, "model", seed);
  push_well(*a.impl, small_packs());
  for (int version = 1; version < 6; ++version) remove(a.store, "model@" + std::to_string(version));
  push_well(*a.impl, small_packs());
  const std::uint64_t all = packed();
  const auto report = gc_well(options(std::chrono::seconds(0)));
  EXPECT_GT(report.removed_bytes, all / 2);
  EXPECT_EQ(packed(), all - report.removed_bytes + (packed() + report.removed_bytes - all));
  EXPECT_LT(packed(), all / 2);
  EXPECT_EQ(bucket_.count("index/"), 1u);
  expect_all_of(a, "at once");
  add_small(a.store, "model", 3);  // what was removed is put again
  push_well(*a.impl, small_packs());
  expect_all_of(a, "again");
}

TEST_F(MirrorGcTest, WhatAnotherStoreNeedsStays) {
  OpenedStore a = open("a"), b = open("b");
  for (std::uint64_t seed = 2; seed < 6; ++seed) add_small(a.store, "model", seed);
  add_small(b.store, "mine", 3);
  push_well(*a.impl, small_packs());
  push_well(*b.impl, small_packs());
  for (int version = 1; version < 5; ++version) remove(a.store, "model@" + std::to_string(version));
  push_well(*a.impl, small_packs());
  const std::uint64_t all = packed();
  gc_all();
  EXPECT_LT(packed(), all / 2);
  expect_all_of(a, "a");
  expect_all_of(b, "b");
}

TEST_F(MirrorGcTest, ADryRunSaysWhatWouldBeDoneAndChangesNothing) {
  OpenedStore a = open("a");
  for (std::uint64_t seed = 2; seed < 8; ++seed) add_small(a.store, "model", seed);
  push_well(*a.impl, small_packs());
  for (int version = 1; version < 5; ++version) remove(a.store, "model@" + std::to_string(version));
  later(kGrace + std::chrono::hours(1));
  push_well(*a.impl, small_packs());
  const auto before = bucket_.objects();
  auto dry = options();
  dry.dry_run = true;
  const auto would = gc_well(dry);
  EXPECT_EQ(bucket_.objects(), before);
  const auto done = gc_well();
  EXPECT_GT(would.noted_bytes, 0u);
  EXPECT_EQ(would.noted_bytes, done.noted_bytes);
  EXPECT_EQ(would.noted_packs, done.noted_packs);
}

TEST_F(MirrorGcTest, ManyIndexesBecomeOneAndMergedJournalsGo) {
  OpenedStore a = open("a");
  bucket_.may_remove = false;
  for (std::uint64_t seed = 2; seed < 22; ++seed) {
    add_sized(a.store, "model", seed, 1000);
    push_well(*a.impl, small_packs());
  }
  bucket_.may_remove = true;
  const std::size_t journals = bucket_.count("stores/");
  EXPECT_GT(bucket_.count("index/"), 15u);
  gc_all();
  EXPECT_EQ(bucket_.count("index/"), 1u);
  EXPECT_LT(bucket_.count("stores/"), journals);
  expect_all_of(a, "merged");
}

TEST_F(MirrorGcTest, PacksThatNoIndexHasGo) {
  OpenedStore a = open("a");
  add_small(a.store, "model", 2);
  push_well(*a.impl, small_packs());
  const std::size_t packs = bucket_.count("packs/");
  add_small(a.store, "model", 3);
  // Killed before its first index.
  std::size_t index_puts = 0;
  bucket_.fault = [&](std::size_t, const std::string& what) {
    index_puts += what == "put" ? 1 : 0;
    return index_puts > 2 ? MemoryStorage::Fault::refused : MemoryStorage::Fault::none;
  };
  EXPECT_FALSE(push(*a.impl, small_packs()).ok());
  bucket_.fault = nullptr;
  EXPECT_GT(bucket_.count("packs/"), packs);
  gc_well();
  EXPECT_GT(bucket_.count("packs/"), packs);  // it may go on
  gc_all();
  EXPECT_EQ(bucket_.count("packs/"), packs);
  push_well(*a.impl, small_packs());
  expect_all_of(a, "put again");
}

// Somebody who did not know of a note has put an index of what it names.
TEST_F(MirrorGcTest, APackIsNotRemovedBeforeAllIndexesThatHaveIt) {
  OpenedStore a = open("a");
  add_small(a.store, "model", 2);
  push_well(*a.impl, small_packs());
  const auto before = bucket_.objects();
  remove(a.store, "model@1");
  push_well(*a.impl, small_packs());
  later(kGrace + std::chrono::hours(1));
  const auto noted = gc_well();
  EXPECT_GT(noted.noted_packs, 0u);
  for (const auto& [key, bytes] : before) {
    if (!key.starts_with("index/")) continue;
    const auto again = mirror::encode_index(*mirror::decode_index(bytes), std::vector<std::byte>(32));
    const MirrorFormats formats(DigestKind::blake3);
    ASSERT_TRUE(mirror::put_whole(bucket_, mirror::index_key(formats, formats.digest_of(again)), again).ok());
  }
  later(kGrace + std::chrono::hours(1));
  EXPECT_EQ(gc_well().removed_packs, 0u);
  expect_true_mirror("both indexes");
  gc_all();
  EXPECT_EQ(packed(), 0u);
  expect_all_of(a, "neither");
}

TEST_F(MirrorGcTest, AStoreWhoseJournalsCannotBeReadStopsIt) {
  OpenedStore a = open("a"), b = open("b");
  add_small(a.store, "model", 2);
  add_small(b.store, "other", 3);
  push_well(*a.impl, small_packs());
  push_well(*b.impl, small_packs());
  later(kGrace + std::chrono::hours(1));
  for (auto& [key, bytes] : bucket_.objects()) {
    if (key.starts_with(mirror::journal_prefix(b.impl->header().uuid))) bytes[bytes.size() / 2] ^= std::byte{1};
  }
  const std::uint64_t all = packed();
  const auto refused = gc(options(std::chrono::seconds(0)));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::corruption);
  EXPECT_NE(refused.error().message.find(mirror::hex(b.impl->header().uuid)), std::string::npos);
  EXPECT_EQ(packed(), all);
}

TEST_F(MirrorGcTest, WithoutTheRightToRemoveItSaysSoAndTheNextGoesOn) {
  OpenedStore a = open("a");
  for (std::uint64_t seed = 2; seed < 6; ++seed) add_small(a.store, "model", seed);
  push_well(*a.impl, small_packs());
  for (int version = 1; version < 4; ++version) remove(a.store, "model@" + std::to_string(version));
  push_well(*a.impl, small_packs());
  bucket_.may_remove = false;
  const auto denied = gc(options(std::chrono::seconds(0)));
  ASSERT_FALSE(denied.ok());
  EXPECT_NE(denied.error().message.find("denied"), std::string::npos);
  expect_all_of(a, "denied");
  bucket_.may_remove = true;
  const std::uint64_t all = packed();
  gc_well(options(std::chrono::seconds(0)));
  EXPECT_LT(packed(), all / 2);
  expect_all_of(a, "allowed");
}

// Every pack in turn is missing, cut or flipped in the middle. What another store has is put again, and what is only
// there stays where it is readable.
TEST_F(MirrorGcTest, WhatIsDamagedIsHealedByTheNextPushOfAStoreThatHasIt) {
  OpenedStore a = open("a");
  for (std::uint64_t seed = 2; seed < 5; ++seed) add_small(a.store, "model", seed);
  put_result(a.store, "loss", "0.5");
  push_well(*a.impl, small_packs());
  const auto good = bucket_.state();
  std::vector<std::string> packs;
  for (const auto& [key, bytes] : good.objects) {
    if (key.starts_with("packs/") || key.starts_with("index/")) packs.push_back(key);
  }
  ASSERT_GT(packs.size(), 4u);
  for (const std::string& damaged : packs) {
    for (const int how : {0, 1, 2}) {
      bucket_.set(good);
      auto& bytes = bucket_.objects().at(damaged);
      if (how == 0) bucket_.objects().erase(damaged);
      if (how == 1) bytes.resize(bytes.size() / 2);
      if (how == 2) bytes[bytes.size() / 4] ^= std::byte{1};
      const std::string where = damaged + " in way " + std::to_string(how);
      auto read_all = options(std::chrono::seconds(0));
      read_all.read_data = true;
      const auto report = gc_well(read_all);
      const bool is_pack = damaged.starts_with("packs/");
      // An index says again what the packs say of themselves.
      EXPECT_EQ(report.lost.empty(), !is_pack) << where;
      push_well(*a.impl, small_packs());
      expect_all_of(a, where);
      gc_well(read_all);
      expect_all_of(a, where + ", later");
      for (const auto& [key, content] : bucket_.objects()) EXPECT_FALSE(key.ends_with("-incomplete")) << where;
    }
  }
}

TEST_F(MirrorGcTest, ACopyInAnotherPackTakesThePlaceOfADamagedOne) {
  OpenedStore a = open("a"), b = open("b");
  add_small(a.store, "model", 2);
  add_small(b.store, "model", 2);
  // Both at the same time, so that both put it.
  push_well(*a.impl, small_packs());
  auto of_a = bucket_.state();
  bucket_.set({.objects = {}, .modified = {}, .time = of_a.time});
  add_sized(b.store, "first", 3, 500);
  push_well(*b.impl, {.parallel = 1, .pack_bytes = 64 * 1024});
  const auto of_b = bucket_.objects();
  bucket_.set(of_a);
  for (const auto& [key, bytes] : of_b) bucket_.objects().try_emplace(key, bytes);
  expect_all_of(a, "both");
  for (const auto& [key, bytes] : of_a.objects) {
    const auto records = mirror::read_pack_table(bytes);
    if (key.starts_with("packs/") && records->front().id.kind == mirror::kBlock) bucket_.objects().erase(key);
  }
  const auto report = gc_well(options(std::chrono::seconds(0)));
  EXPECT_TRUE(report.lost.empty()) << report.lost.front();
  expect_all_of(a, "a");
  expect_all_of(b, "b");
}

}  // namespace
}  // namespace cairn::testing
