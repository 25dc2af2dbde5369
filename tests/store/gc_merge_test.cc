// SPDX-License-Identifier: Apache-2.0
//
// Where gc() merges what the index has of entries, on a disk that fills meanwhile.
#include <gtest/gtest.h>

#include <atomic>
#include <stop_token>

#include "api/src/tables.h"
#include "engine/base/errors.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/scarce_file_system.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";
constexpr std::uint64_t kEntries = 8'000, kKept = 500, kLarge = std::uint64_t{1} << 41;

class GcMergeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs_.available_bytes = [this] { return available_.load(); };
    const CreateOptions one_segment{.block_bytes = 64 * 1024, .segment_bytes = 64 * MiB};
    ASSERT_TRUE(StoreImpl::create(fs_, kStore, one_segment).ok());
    open();
    write(0, false);
    open();
    write(kKept, true);
    open();
    ASSERT_TRUE(disk_.info("store/reserve").ok());
  }
  void TearDown() override { EXPECT_TRUE(store_->close().ok()); }

  // Closing writes a table of the index.
  void open() {
    if (store_) {
      ASSERT_TRUE(store_->close().ok());
    }
    auto impl = StoreImpl::open(fs_, kStore, {.threads = 2, .reserve_bytes = 4 * MiB}, {});
    ASSERT_TRUE(impl.ok()) << impl.error().message;
    impl_ = impl->get();
    store_.emplace(StoreImpl::handle(std::move(impl).value()));
  }
  static std::string key(std::uint64_t i) { return "k" + std::to_string(i); }
  LogEntryStore& entries() { return impl_->tables().value()->entries; }
  void write(std::uint64_t first, bool removed) {
    std::vector<EntryChange> changes;
    for (std::uint64_t i = first; i < kEntries; ++i) {
      changes.push_back({.key = key(i), .removed = removed, .value = removed ? "" : std::string(300, 'v')});
    }
    ASSERT_TRUE(entries().commit(std::move(changes)).ok());
  }
  static bool is_table(const std::string& path) { return path.ends_with(".sst"); }

  std::atomic<std::uint64_t> available_ = kLarge;
  SimFileSystem disk_;
  ScarceFileSystem fs_{disk_};
  std::optional<Store> store_;
  StoreImpl* impl_ = nullptr;
};

TEST_F(GcMergeTest, TheReserveMakesRoomForWhatIsWrittenAfterTheMerge) {
  std::atomic<bool> merges = false, gave_up = false;
  fs_.before_create = [&](const std::string& path) -> Status {
    if (!is_table(path)) return {};
    merges = true;
    available_ = 1 * MiB;
    return {};
  };
  fs_.before_remove = [&](const std::string& path) { gave_up = gave_up || path == "store/reserve"; };
  ASSERT_TRUE(store_->gc({.max_dead = 1}).ok());
  EXPECT_TRUE(merges);
  EXPECT_TRUE(gave_up);
  fs_.before_create = nullptr;
  fs_.before_remove = nullptr;
  available_ = kLarge;
  EXPECT_TRUE(entries().commit({{.key = "next", .value = "1"}}).ok());
}

TEST_F(GcMergeTest, AMergeThatFindsNoRoomIsNoFailureOfGc) {
  std::atomic<bool> refused = false;
  fs_.before_create = [&](const std::string& path) -> Status {
    if (!is_table(path)) return {};
    refused = true;
    return make_error(ErrorCode::no_space, "full");
  };
  const auto report = store_->gc({.max_dead = 1});
  EXPECT_TRUE(report.ok()) << report.error().message;
  EXPECT_TRUE(refused);
  fs_.before_create = nullptr;
  EXPECT_TRUE(entries().commit({{.key = "next", .value = "1"}}).ok());
  EXPECT_TRUE(entries().find(key(0)).value());
  EXPECT_FALSE(entries().find(key(kKept)).value());
  open();
  EXPECT_TRUE(entries().find("next").value());
}

TEST_F(GcMergeTest, NothingIsMergedOnceAStopIsAskedFor) {
  std::atomic<bool> merges = false;
  std::stop_source stop;
  fs_.before_create = [&](const std::string& path) -> Status {
    merges = merges || is_table(path);
    if (path == "store/reserve") stop.request_stop();
    return {};
  };
  // The only step makes it again when it is done.
  ASSERT_TRUE(disk_.remove_file("store/reserve").ok());
  const auto report = store_->gc({.max_dead = 1}, {.stop = stop.get_token()});
  EXPECT_TRUE(report.ok()) << report.error().message;
  EXPECT_TRUE(stop.stop_requested());
  EXPECT_FALSE(merges);
  fs_.before_create = nullptr;
}

TEST_F(GcMergeTest, NothingIsMergedWhereTheDiskIsNearlyFull) {
  std::atomic<bool> merges = false;
  fs_.before_create = [&](const std::string& path) -> Status {
    merges = merges || is_table(path);
    return {};
  };
  available_ = 1 * GiB;
  ASSERT_TRUE(store_->gc({.max_dead = 1}).ok());
  EXPECT_FALSE(merges);
  available_ = kLarge;
  ASSERT_TRUE(store_->gc({.max_dead = 1}).ok());
  EXPECT_TRUE(merges);
  fs_.before_create = nullptr;
}

}  // namespace
}  // namespace cairn::testing
