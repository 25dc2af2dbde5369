// SPDX-License-Identifier: Apache-2.0
//
// Reclaiming a mirror beside others: pushes, other reclaimings and failures, before each request in turn. Whatever came
// when, the mirror is true, has all that the stores said, and gets rid of the rest in the end.
#include <gtest/gtest.h>

#include <atomic>
#include <utility>

#include "tests/store/mirror_gc_fixture.h"

namespace cairn::testing {
namespace {

using Fault = MemoryStorage::Fault;

class MirrorGcBesideTest : public MirrorGcTest {
 protected:
  // The mirror has content that nothing needs, and the store says some of it again, and something new.
  void fill(OpenedStore& a) {
    // Each by itself, so that what is put again would be in a pack of the same bytes.
    for (std::uint64_t seed = 2; seed < 6; ++seed) {
      add_small(a.store, "model", seed);
      push_well(*a.impl, small_packs());
    }
    for (int version = 1; version < 4; ++version) remove(a.store, "model@" + std::to_string(version));
    push_well(*a.impl, small_packs());
    add_small(a.store, "again", 2);
    add_small(a.store, "fresh", 7);
    later(kGrace + std::chrono::hours(1));
    filled_ = bucket_.state();
  }
  // With what was noted before the test begins.
  void fill_and_note(OpenedStore& a) {
    fill(a);
    gc_well();
    later(kGrace + std::chrono::hours(1));
    filled_ = bucket_.state();
  }
  // After whatever was done.
  void expect_well(OpenedStore& a, const std::string& where) {
    expect_all_of(a, where);
    gc_all();
    expect_all_of(a, where + ", reclaimed");
    EXPECT_LE(bucket_.count("index/"), 2u) << where;
  }
  // Between the beginning of a look at what is outgoing, and what is put in the faith of it, nobody may remove
  // anything. A look may take several listings.
  static bool is_put_in_faith(std::string_view what, std::string_view key) {
    if (what == "list" && key.starts_with("reclaim/")) return true;
    return what == "put" && (key.starts_with("index/") || key.find("/journal/") != std::string_view::npos);
  }
  // A push that is killed right after it put an index in the faith of what was noted at that moment. Then the grace is
  // over.
  void put_index_in_faith(OpenedStore& a) {
    fill(a);
    std::atomic<bool> noted = false, killed = false;
    bucket_.between = [&](std::string_view what, std::string_view key) {
      if (killed || what != "put" || !key.starts_with("index/")) return;
      if (noted) return;
      noted = true;
      EXPECT_GT(gc_well().noted_packs, 0u);
      killed = true;  // once this index is put
    };
    bucket_.fault = [&](std::size_t, const std::string& what) {
      return killed && what == "list" ? Fault::refused : Fault::none;
    };
    EXPECT_FALSE(push(*a.impl, {.parallel = 1}).ok());
    bucket_.between = nullptr;
    bucket_.fault = nullptr;
    ASSERT_TRUE(killed);
    later(kGrace + std::chrono::hours(1));
  }
  MemoryStorage::State filled_;
};

TEST_F(MirrorGcBesideTest, AGcBeforeAnyRequestOfAPush) {
  for (const bool noted : {false, true}) {
    const std::string path = noted ? "noted" : "fresh";
    OpenedStore a = open(path);
    bucket_.set({.objects = {}, .modified = {}, .time = bucket_.time});
    noted ? fill_and_note(a) : fill(a);
    for (const auto grace : {std::chrono::seconds(kGrace), std::chrono::seconds(0)}) {
      for (std::size_t at = 0;; at += scaled(2, 1)) {
        bucket_.set(filled_);
        const auto reclaim = [&](std::string_view what, std::string_view key) {
          // Without a grace nobody may be at it, strictly; only this one gap needs it.
          if (grace.count() == 0 && is_put_in_faith(what, key)) return;
          gc_well(options(grace));
        };
        if (!between(
                at, [&] { push_well(*a.impl, small_packs()); }, reclaim))
          break;
        expect_well(a, path + ", grace " + std::to_string(grace.count()) + ", before request " + std::to_string(at));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_F(MirrorGcBesideTest, APushBeforeAnyRequestOfAGc) {
  for (const bool noted : {false, true}) {
    const std::string path = noted ? "noted" : "fresh";
    OpenedStore a = open(path);
    bucket_.set({.objects = {}, .modified = {}, .time = bucket_.time});
    noted ? fill_and_note(a) : fill(a);
    for (const auto grace : {std::chrono::seconds(kGrace), std::chrono::seconds(0)}) {
      for (std::size_t at = 0;; at += scaled(2, 1)) {
        bucket_.set(filled_);
        const auto reclaim = [&] { gc_well(options(grace)); };
        if (!between(at, reclaim, [&](auto, auto) { push_well(*a.impl, small_packs()); })) break;
        expect_well(a, path + ", grace " + std::to_string(grace.count()) + ", before request " + std::to_string(at));
        if (HasFatalFailure()) return;
      }
    }
  }
}

// A push that takes longer than the grace: what it relied on is noted before any of its requests, and removed before
// any later one.
TEST_F(MirrorGcBesideTest, APushThatSleepsWhileThingsAreNotedAndRemoved) {
  OpenedStore a = open("a");
  fill(a);
  bucket_.restart();
  push_well(*a.impl, small_packs());
  const std::size_t requests = bucket_.calls();
  const std::size_t step = scaled(3, 1);
  for (std::size_t first = 0; first < requests; first += step) {
    for (std::size_t second = first + 1; second < requests + 8; second += step) {
      bucket_.set(filled_);
      std::atomic<std::size_t> request = 0;
      std::atomic<bool> inside = false;
      bucket_.between = [&](std::string_view what, std::string_view key) {
        if (inside) return;
        const std::size_t at = request++;
        if (at != first && at != second) return;
        if (is_put_in_faith(what, key) && at == second) return;
        inside = true;
        if (at == second) later(2 * kGrace);
        gc_well();
        inside = false;
      };
      push_well(*a.impl, small_packs());
      bucket_.between = nullptr;
      expect_true_mirror(std::to_string(first) + " and " + std::to_string(second));
      gc_all();
      expect_true_mirror(std::to_string(first) + " and " + std::to_string(second) + ", reclaimed");
      if (HasFailure()) return;
    }
  }
  expect_all_of(a, "the last");
}

TEST_F(MirrorGcBesideTest, AnotherGcBeforeAnyRequestOfAGc) {
  OpenedStore a = open("a");
  fill_and_note(a);
  for (const auto grace : {std::chrono::seconds(kGrace), std::chrono::seconds(0)}) {
    for (std::size_t at = 0;; at += scaled(2, 1)) {
      bucket_.set(filled_);
      const auto reclaim = [&] {
        const auto report = gc();
        // One of them gives way.
        EXPECT_TRUE(report.ok() || report.error().code == ErrorCode::conflict) << report.error().message;
      };
      // Which leaves every pack that there is.
      const auto other = [&](std::string_view what, std::string_view key) {
        if (grace.count() == 0 && is_put_in_faith(what, key)) return;
        auto all = options(grace);
        all.max_dead = 0;
        gc_well(all);
      };
      if (!between(at, reclaim, other)) break;
      push_well(*a.impl, small_packs());
      expect_well(a, "before request " + std::to_string(at));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(MirrorGcBesideTest, AGcWhoseRequestsFailLeavesAMirrorThatIsTrue) {
  OpenedStore a = open("a");
  fill_and_note(a);
  for (const auto grace : {std::chrono::seconds(kGrace), std::chrono::seconds(0)}) {
    for (const Fault how : {Fault::refused, Fault::answer_lost}) {
      for (std::size_t which = 0;; which += scaled(2, 1)) {
        bucket_.set(filled_);
        bucket_.restart();
        bucket_.fault = [&](std::size_t call, const std::string&) { return call == which ? how : Fault::none; };
        const auto failed = gc(options(grace));
        bucket_.fault = nullptr;
        if (failed.ok()) break;
        EXPECT_TRUE(failed.error().retryable) << failed.error().message;
        const std::string where = "failed at " + std::to_string(which);
        expect_true_mirror(where);
        push_well(*a.impl, small_packs());
        expect_well(a, where);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// A removal of what was noted would meet what has the same name.
TEST_F(MirrorGcBesideTest, WhatWasNotedAndIsPutAgainHasAnotherName) {
  OpenedStore a = open("a");
  add_small(a.store, "model", 2);
  push_well(*a.impl, small_packs());
  remove(a.store, "model@1");
  push_well(*a.impl, small_packs());
  later(kGrace + std::chrono::hours(1));
  EXPECT_GT(gc_well().noted_packs, 0u);
  const std::size_t packs = bucket_.count("packs/");
  add_small(a.store, "model", 2);
  const auto again = push_well(*a.impl, small_packs());
  EXPECT_GT(again.packs, 1u);
  EXPECT_EQ(bucket_.count("packs/"), packs + again.packs);
  gc_all();
  EXPECT_EQ(bucket_.count("packs/"), again.packs);
  expect_all_of(a, "again");
}

// What was read may be noted by then.
TEST_F(MirrorGcBesideTest, AGcThatAnotherOvertakesPutsNoIndex) {
  OpenedStore a = open("a");
  fill(a);
  std::atomic<bool> overtaken = false;
  std::size_t indexes = 0;
  bucket_.between = [&](std::string_view what, std::string_view key) {
    if (what != "list" || !key.starts_with("packs/") || overtaken.exchange(true)) return;
    gc_well();
    indexes = bucket_.count("index/");
  };
  const auto report = gc();
  bucket_.between = nullptr;
  ASSERT_TRUE(overtaken);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, ErrorCode::conflict);
  EXPECT_EQ(bucket_.count("index/"), indexes);
  push_well(*a.impl, small_packs());
  expect_well(a, "overtaken");
}

// As continuous mirroring keeps one: it knows what the bucket had before.
TEST_F(MirrorGcBesideTest, APusherThatLivesLongSeesWhatIsNoted) {
  OpenedStore a = open("a");
  for (std::uint64_t seed = 2; seed < 6; ++seed) add_small(a.store, "model", seed);
  MirrorSource source(*a.impl);
  const MirrorFormats formats(a.impl->header().digest);
  mirror::Pusher pusher(source, bucket_, formats, small_packs());
  ASSERT_TRUE(pusher.push().ok());
  for (int version = 1; version < 4; ++version) remove(a.store, "model@" + std::to_string(version));
  ASSERT_TRUE(pusher.push().ok());
  later(kGrace + std::chrono::hours(1));
  gc_well();
  add_small(a.store, "again", 2);  // all known, and noted
  const auto again = pusher.push();
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(again->begun_again, 1u);
  EXPECT_GT(again->records, 0u);
  expect_all_of(a, "again");
  gc_all();
  expect_all_of(a, "reclaimed");
}

// A push is killed right after it put an index in the faith of what was noted at that moment. Another store finds what
// that index has, and says so while the gc that removes what was noted is at it.
TEST_F(MirrorGcBesideTest, WhatAnIndexWasPutInTheFaithOfIsKept) {
  OpenedStore a = open("a"), b = open("b");
  put_index_in_faith(a);
  const std::uint64_t said = packed();

  // The same file, so that it is the same tree.
  ASSERT_TRUE(b.store.archive().add({inputs_ / "again.safetensors"}, {.name = "again", .base = base_}).ok());
  std::atomic<bool> removed = false;
  bucket_.between = [&](std::string_view what, std::string_view key) {
    if (removed || what != "put" || key.find("/journal/") == std::string_view::npos) return;
    removed = true;
    EXPECT_GT(gc_well().removed_packs, 0u);
  };
  const auto relied = push_well(*b.impl, small_packs());
  bucket_.between = nullptr;
  EXPECT_EQ(relied.begun_again, 0u);
  EXPECT_EQ(relied.records, 1u);  // its snapshot
  EXPECT_LT(packed(), said);
  expect_all_of(b, "of another");
  push_well(*a.impl, small_packs());
  expect_all_of(a, "pushed again");
  gc_all();
  expect_all_of(a, "later");
  expect_all_of(b, "of another, later");
}

// The same store finds all of it there, its snapshot too, and puts a journal alone.
TEST_F(MirrorGcBesideTest, WhatAnIndexWasPutInTheFaithOfIsKeptForAPushThatHasNothingToAdd) {
  OpenedStore a = open("a");
  put_index_in_faith(a);
  bool removed = false;
  bucket_.between = [&](std::string_view what, std::string_view key) {
    if (what != "put" || key.find("/journal/") == std::string_view::npos || std::exchange(removed, true)) return;
    EXPECT_GT(gc_well().removed_packs, 0u);
  };
  const auto again = push_well(*a.impl, small_packs());
  bucket_.between = nullptr;
  EXPECT_TRUE(removed);
  EXPECT_EQ(again.records, 0u);
  expect_all_of(a, "pushed again");
  gc_all();
  expect_all_of(a, "later");
}

}  // namespace
}  // namespace cairn::testing
