// SPDX-License-Identifier: Apache-2.0
//
// Clones: what is in one, beside whom it can be made, and that neither it nor the store
// notices the other afterwards.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "engine/clone/cloner.h"
#include "engine/log/segment_files.h"
#include "tests/support/gc_scenario.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> value_of(unsigned number) {
  std::mt19937_64 random(number);
  std::vector<std::byte> value(2'000 + number % 7 * 30'000);
  for (auto& byte : value) byte = static_cast<std::byte>(random());
  return value;
}

unsigned links_of(const fs::path& file) {
  struct stat found {};
  return ::stat(file.c_str(), &found) == 0 ? static_cast<unsigned>(found.st_nlink) : 0;
}

class CloneTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_ / "store"; }
  std::string to(const std::string& name = "clone") const { return folder_ / name; }
  Store open_writer(const std::string& name = "store") {
    return Store::open(folder_ / name, {.mode = OpenMode::create, .create = kSmallStore, .threads = 2}).value();
  }
  static Store open_reader(const std::string& path) {
    return Store::open(path, {.access = Access::read_only, .threads = 2}).value();
  }
  void put(Store& store, unsigned from, unsigned end) {
    for (unsigned i = from; i < end; ++i) {
      const auto id = store.put({.bytes = value_of(i)});
      ASSERT_TRUE(id.ok()) << id.error().message;
      ids_.resize(std::max<std::size_t>(ids_.size(), i + 1));
      ids_[i] = *id;
    }
  }
  // Everything in it is whole, it has these values, and no others.
  void expect_values(const std::string& path, const std::vector<unsigned>& numbers) {
    Store store = open_reader(path);
    EXPECT_TRUE(store.info().recovery.damage.empty());
    EXPECT_EQ(wrong_with_counts(store), "");
    EXPECT_EQ(store.list().value().objects.size(), numbers.size());
    for (const unsigned number : numbers) {
      const auto found = store.get(ids_[number]);
      ASSERT_TRUE(found.ok()) << number << ": " << found.error().message;
      EXPECT_EQ(*found, value_of(number));
    }
  }
  static std::vector<unsigned> numbers(unsigned from, unsigned end) {
    std::vector<unsigned> all;
    for (unsigned i = from; i < end; ++i) all.push_back(i);
    return all;
  }
  void expect_error(const Result<CloneReport>& result, ErrorCode code) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, code) << result.error().message;
  }

  ScratchFolder folder_;
  std::vector<std::string> ids_;
};

TEST_F(CloneTest, HasWhatWasCommittedAndOpensAtOnce) {
  Store store = open_writer();
  put(store, 0, 40);
  const CloneReport report = store.clone(to()).value();
  EXPECT_TRUE(report.index);
  EXPECT_GT(report.segments, 3u);
  EXPECT_GT(report.linked_bytes, 2'000'000u);
  EXPECT_LT(report.copied_bytes, 1'200'000u);  // the open segment
  EXPECT_GT(report.held.count(), 0);
  {
    Store clone = open_reader(to());
    EXPECT_EQ(clone.info().recovery.records_replayed, 0u);
    EXPECT_FALSE(clone.info().recovery.index_rebuilt);
  }
  expect_values(to(), numbers(0, 40));
  put(store, 40, 50);
  expect_values(to(), numbers(0, 40));
  ASSERT_TRUE(store.close().ok());
  expect_values(path(), numbers(0, 50));
}

TEST_F(CloneTest, WhatWasPutBeforeIsInIt) {
  Store store = open_writer();
  std::vector<Ticket> tickets;
  for (unsigned i = 0; i < 30; ++i) tickets.push_back(store.put_async({.bytes = value_of(i)}));
  ASSERT_TRUE(store.clone(to()).ok());
  for (const Ticket& ticket : tickets) ids_.push_back(ticket.id().value());
  expect_values(to(), numbers(0, 30));
}

TEST_F(CloneTest, OfAClosedStoreAnEmptyStoreAndAClone) {
  {
    Store store = open_writer();
    ASSERT_TRUE(store.clone(to("of-empty")).ok());
    put(store, 0, 20);
    ASSERT_TRUE(store.close().ok());
    ASSERT_TRUE(store.clone(to("by-closed")).ok());
  }
  expect_values(to("of-empty"), {});
  expect_values(to("by-closed"), numbers(0, 20));
  Store reader = open_reader(path());
  EXPECT_TRUE(reader.clone(to()).value().index);
  expect_values(to(), numbers(0, 20));
  Store clone = open_reader(to());
  ASSERT_TRUE(clone.clone(to("of-clone")).ok());
  expect_values(to("of-clone"), numbers(0, 20));
  {
    Store writer = open_writer("of-empty");
    put(writer, 0, 3);
  }
  expect_values(to("of-empty"), numbers(0, 3));
}

TEST_F(CloneTest, BothGoTheirOwnWays) {
  Store store = open_writer();
  put(store, 0, 60);
  ASSERT_TRUE(store.clone(to()).ok());
  {
    Store clone = open_writer("clone");
    for (unsigned i = 0; i < 60; i += 2) ASSERT_TRUE(clone.remove(ids_[i]).value());
    EXPECT_GT(clone.gc({.max_dead = 0}).value().segments, 0u);
    put(clone, 100, 120);
    ASSERT_TRUE(clone.close().ok());
  }
  expect_values(path(), numbers(0, 60));
  for (unsigned i = 1; i < 60; i += 2) ASSERT_TRUE(store.remove(ids_[i]).value());
  EXPECT_GT(store.gc({.max_dead = 0}).value().segments, 0u);
  put(store, 200, 220);
  ASSERT_TRUE(store.close().ok());
  std::vector<unsigned> odd = numbers(100, 120), even = numbers(200, 220);
  for (unsigned i = 0; i < 60; ++i) (i % 2 == 0 ? even : odd).push_back(i);
  for (int round = 0; round < 2; ++round) {
    expect_values(to(), odd);
    expect_values(path(), even);
    EXPECT_EQ(Store::rebuild_index(to()).value().quarantined, 0u);
    EXPECT_EQ(Store::rebuild_index(path()).value().quarantined, 0u);
  }
}

TEST_F(CloneTest, NothingThatMayStillChangeIsShared) {
  Store store = open_writer();
  put(store, 0, 40);
  ASSERT_TRUE(store.clone(to()).ok());
  std::vector<fs::path> segments;
  for (const auto& file : fs::directory_iterator(to() + "/log")) segments.push_back(file.path());
  std::sort(segments.begin(), segments.end());
  ASSERT_GT(segments.size(), 2u);
  for (const fs::path& segment : segments) {
    const bool last = segment == segments.back();
    EXPECT_EQ(links_of(segment), last ? 1u : 2u) << segment;
  }
  for (const auto& file : fs::directory_iterator(to() + "/index")) {
    EXPECT_EQ(links_of(file.path()), file.path().extension() == ".sst" ? 2u : 1u) << file.path();
  }
  EXPECT_EQ(links_of(to() + "/STORE"), 1u);
  EXPECT_FALSE(fs::exists(to() + "/log/live"));
}

TEST_F(CloneTest, WithoutLinksItIsCopied) {
  Store store = open_writer();
  put(store, 0, 40);
  const CloneReport report = store.clone(to(), {.copy = true}).value();
  EXPECT_EQ(report.linked_bytes, 0u);
  EXPECT_TRUE(report.index);
  for (const auto& file : fs::recursive_directory_iterator(to())) {
    if (file.is_regular_file()) {
      EXPECT_EQ(links_of(file.path()), 1u) << file.path();
    }
  }
  fs::remove_all(path());
  expect_values(to(), numbers(0, 40));
}

TEST_F(CloneTest, OnAnotherFileSystemItIsCopied) {
  if (::access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "no other file system is there";
  const std::string other = "/dev/shm/cairn-clone-" + std::to_string(::getpid());
  fs::remove_all(other);
  Store store = open_writer();
  put(store, 0, 40);
  const auto report = store.clone(other);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->linked_bytes, 0u);
  EXPECT_TRUE(report->index);
  expect_values(other, numbers(0, 40));
  // And back.
  Store clone = open_reader(other);
  ASSERT_TRUE(clone.clone(to()).ok());
  expect_values(to(), numbers(0, 40));
  fs::remove_all(other);
}

TEST_F(CloneTest, WhereAFileHasNoSecondNameItIsReflinkedOrCopied) {
  for (const bool reflinks : {true, false}) {
    GcScenario scenario;
    SimFileSystem disk({.hard_links = false, .reflinks = reflinks});
    scenario.prepare(disk, "store");
    const auto store = StoreImpl::open(disk, "store", {.threads = 2}, {}).value();
    const auto report = store->clone("clone", {}, {});
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->linked_bytes > 0, reflinks);
    disk.power_loss(1, Loss::drop_unsynced);
    EXPECT_EQ(scenario.what_is_wrong(disk, "clone"), "");
    EXPECT_EQ(scenario.what_is_wrong(disk, "store"), "");
  }
}

TEST_F(CloneTest, AnIndexInDoubtStaysBehind) {
  {
    Store store = open_writer();
    put(store, 0, 20);
    ASSERT_TRUE(store.close().ok());
  }
  for (const auto& file : fs::directory_iterator(path() + "/index")) {
    if (file.path().extension() == ".sst") fs::remove(file.path());
  }
  Store reader = open_reader(path());
  EXPECT_FALSE(reader.clone(to()).value().index);
  EXPECT_FALSE(fs::exists(to() + "/index/GUARD"));
  expect_values(to(), numbers(0, 20));
}

TEST_F(CloneTest, PlacesThatCannotBe) {
  Store store = open_writer();
  put(store, 0, 5);
  for (const std::string& inside : {path(), path() + "/", path() + "/clone", path() + "/log/clone",
                                    path() + "/../store/x", path() + "/log/../clone"}) {
    expect_error(store.clone(inside), ErrorCode::invalid_argument);
  }
  fs::create_directory_symlink(path() + "/log", folder_ / "link-inside");
  expect_error(store.clone(folder_ / "link-inside"), ErrorCode::invalid_argument);
  expect_error(store.clone(folder_ / "link-inside/clone"), ErrorCode::invalid_argument);
  fs::create_symlink(folder_ / "nothing", folder_ / "dangling");
  expect_error(store.clone(folder_ / "dangling"), ErrorCode::already_exists);
  expect_error(store.clone(""), ErrorCode::invalid_argument);
  expect_error(store.clone("/"), ErrorCode::invalid_argument);
  expect_error(store.clone(folder_.path().string()), ErrorCode::already_exists);  // the store is in it
  expect_error(store.clone(folder_ / "no/folder/above"), ErrorCode::not_found);
  write_file(folder_ / "file", "x");
  expect_error(store.clone(folder_ / "file"), ErrorCode::already_exists);
  expect_error(store.clone("/proc/clone"), ErrorCode::not_found);
  EXPECT_EQ(open_reader(path()).list().value().objects.size(), 5u);
  EXPECT_EQ(std::distance(fs::directory_iterator(path()), fs::directory_iterator()), 4);

  // These can.
  fs::create_directory(folder_ / "empty");
  EXPECT_TRUE(store.clone(folder_ / "empty").ok());
  fs::create_directory(folder_ / "target");
  fs::create_directory_symlink(folder_ / "target", folder_ / "link");
  EXPECT_TRUE(store.clone(folder_ / "link/").ok());
  expect_values(folder_ / "target", numbers(0, 5));
  expect_error(store.clone(folder_ / "target"), ErrorCode::already_exists);
}

TEST_F(CloneTest, LeftoversGoAndWhatIsNotOursStays) {
  Store store = open_writer();
  put(store, 0, 20);
  // As a killed call leaves it.
  fs::create_directories(to() + ".cloning/log");
  write_file(to() + ".cloning/LOCK", "1\n");
  write_file(to() + ".cloning/log/00000001.seg", "half");
  ASSERT_TRUE(store.clone(to()).ok());
  EXPECT_FALSE(fs::exists(to() + ".cloning"));
  expect_values(to(), numbers(0, 20));

  ASSERT_TRUE(store.clone(to("precious.cloning")).ok());
  expect_error(store.clone(to("precious")), ErrorCode::already_exists);
  expect_values(to("precious.cloning"), numbers(0, 20));
  write_file(to("mine.cloning/notes"), "mine");
  expect_error(store.clone(to("mine")), ErrorCode::already_exists);
  EXPECT_EQ(read_file(to("mine.cloning/notes")), "mine");

  fs::create_directory(to("busy.cloning"));
  const auto lock = posix_file_system().lock(to("busy.cloning/LOCK")).value();
  expect_error(store.clone(to("busy")), ErrorCode::held);
  EXPECT_TRUE(fs::exists(to("busy.cloning/LOCK")));
}

TEST_F(CloneTest, AStopLeavesNothing) {
  Store store = open_writer();
  put(store, 0, 40);
  std::stop_source stop;
  Progress progress{.report = {}, .problem = {}, .stop = stop.get_token()};
  stop.request_stop();
  expect_error(store.clone(to(), {}, progress), ErrorCode::cancelled);
  EXPECT_FALSE(fs::exists(to()));
  EXPECT_FALSE(fs::exists(to() + ".cloning"));
  put(store, 40, 45);
}

// Between getting hold of the one file and the other, everything may change.
TEST_F(CloneTest, AMomentInWhichTheIndexChangedIsNone) {
  GcScenario scenario;
  SimFileSystem disk;
  scenario.prepare(disk, "store");
  auto opened = StoreImpl::open(disk, "store", {.threads = 2}, {});
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  StoreImpl& impl = **opened;
  Store store = StoreImpl::handle(std::move(opened).value());
  for (const char* folder : {"clone", "clone/log", "clone/index"}) ASSERT_TRUE(disk.create_directory(folder).ok());
  const Progress none;
  ProgressMeter meter(none, "clone", 0);
  Cloner cloner(disk, {.log = "store/log", .index = "store/index"}, {.log = "clone/log", .index = "clone/index"},
                {.store_tag = store_tag_of(impl.header().uuid)}, meter);
  ASSERT_TRUE(cloner.bring_ahead().ok());
  const auto ahead = list_segments(disk, "clone/log").value();
  std::uint64_t reclaimed = 0;
  const auto reclaim = [&]() -> Result<Position> {
    CAIRN_TRY(const GcReport report, store.gc({.max_dead = 0}));
    reclaimed = report.segments;
    return impl.index().applied();
  };
  EXPECT_FALSE(cloner.take_moment(reclaim).value());
  ASSERT_GT(reclaimed, 0u);
  EXPECT_TRUE(cloner.take_moment([&]() -> Result<Position> { return impl.index().applied(); }).value());
  ASSERT_TRUE(cloner.complete().ok());
  ASSERT_TRUE(write_file_atomically(disk, "clone/STORE", as_bytes(encode_store_header(impl.header()))).ok());
  const auto there = list_segments(disk, "store/log").value();
  EXPECT_EQ(list_segments(disk, "clone/log").value(), there);
  EXPECT_FALSE(std::includes(there.begin(), there.end(), ahead.begin(), ahead.end()))
      << "nothing that was brought ahead was reclaimed";
  EXPECT_TRUE(cloner.counters().index);
  EXPECT_EQ(scenario.what_is_wrong(disk, "clone"), "");
}

// Values come and go and their space is given back, while the store is cloned by the handle that
// writes, by a reader's, and by copying: each clone has all that stayed, and a prefix of what
// was put while it was made.
TEST_F(CloneTest, BesideAWriterThatPutsAndReclaims) {
  Store writer = open_writer();
  put(writer, 0, 24);
  Store reader = open_reader(path());
  std::atomic<bool> done = false;
  std::atomic<unsigned> committed = 1'000;
  std::thread writes([&] {
    unsigned next = 1'000;
    while (!done) {
      std::vector<std::string> passing;
      for (unsigned i = 0; i < 8; ++i) {
        const auto id = writer.put({.bytes = value_of(50'000 + next % 1'000 * 8 + i), .name = "passing"});
        ASSERT_TRUE(id.ok()) << id.error().message;
        passing.push_back(*id);
      }
      const std::string text = "kept " + std::to_string(next);
      std::vector<Put> both(2);
      both[0] = {.bytes = std::as_bytes(std::span(text)), .name = std::to_string(next)};
      const std::string second = text + " too";
      both[1] = {.bytes = std::as_bytes(std::span(second)), .name = std::to_string(next)};
      ASSERT_TRUE(writer.put_many(std::move(both)).ok());
      committed = ++next;
      for (const std::string& id : passing) ASSERT_TRUE(writer.remove(id).value());
      const auto report = writer.gc({.max_dead = 0});
      ASSERT_TRUE(report.ok()) << report.error().message;
    }
  });
  for (unsigned round = 0; round < 18; ++round) {
    const unsigned before = committed;
    const std::string at = to("clone" + std::to_string(round));
    Store& by = round % 2 == 0 ? writer : reader;
    const auto report = by.clone(at, {.copy = round % 3 == 2});
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_TRUE(report->index);
    for (const bool rebuilt : {false, true}) {
      if (rebuilt) {
        ASSERT_EQ(Store::rebuild_index(at).value().quarantined, 0u) << "round " << round;
      }
      Store clone = open_reader(at);
      ASSERT_TRUE(clone.info().recovery.damage.empty()) << clone.info().recovery.damage.front();
      ASSERT_EQ(wrong_with_counts(clone), "") << "round " << round << " rebuilt " << rebuilt;
      for (unsigned i = 0; i < 24; ++i) ASSERT_EQ(clone.get(ids_[i]).value(), value_of(i));
      std::map<std::string, unsigned> kept;
      std::string cursor;
      do {
        const ObjectPage page = clone.list(cursor).value();
        for (const Object& object : page.objects) {
          for (const auto& name : object.names) {
            if (!name.name.empty() && name.name != "passing") ++kept[name.name];
          }
        }
        cursor = page.next;
      } while (!cursor.empty());
      ASSERT_GE(kept.size(), before - 1'000) << "round " << round;
      unsigned number = 1'000;
      for (const auto& [name, count] : kept) {
        ASSERT_EQ(name, std::to_string(number++));  // 4 digits: in order
        ASSERT_EQ(count, 2u) << name;
      }
    }
    fs::remove_all(at);
  }
  done = true;
  writes.join();
  EXPECT_EQ(wrong_with_counts(writer), "");
}

}  // namespace
}  // namespace cairn::testing
