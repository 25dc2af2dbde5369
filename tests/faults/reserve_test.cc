// SPDX-License-Identifier: Apache-2.0
//
// A disk that is full to the last byte: removing and reclaiming go on with the reserve, nothing
// else takes it, and it comes back with the first room there is.
#include <algorithm>

#include "tests/support/gc_scenario.h"
#include "tests/support/put_scenario.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";
constexpr char kReserve[] = "store/reserve";
constexpr std::uint64_t kReserveBytes = 4 * MiB;
constexpr std::uint64_t kDisk = 24 * MiB;

std::string value_of(std::size_t number) { return random_bytes(150'000 + 1000 * (number % 7), number); }
Bytes bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

class ReserveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs_ = std::make_unique<SimFileSystem>(SimOptions{.capacity_bytes = kDisk});
    ASSERT_TRUE(StoreImpl::create(*fs_, kStore, kSmallStore).ok());
  }
  Result<std::unique_ptr<StoreImpl>> open_impl(FileSystem& fs, std::uint64_t reserve_bytes = kReserveBytes) {
    return StoreImpl::open(fs, kStore, {.threads = 2, .codec = Codec::none, .reserve_bytes = reserve_bytes}, {});
  }
  Store open(std::uint64_t reserve_bytes = kReserveBytes) {
    return StoreImpl::handle(open_impl(*fs_, reserve_bytes).value());
  }
  std::uint64_t reserve() const {
    const auto info = fs_->info(kReserve);
    return info.ok() ? info->disk_bytes : 0;
  }
  // Puts until the disk is full, and takes the rest of it for another file.
  void fill(Store& store) {
    for (std::size_t i = 0;; ++i) {
      const std::string value = value_of(i);
      const auto put = store.put({.bytes = bytes_of(value)});
      if (!put.ok()) {
        ASSERT_EQ(put.error().code, ErrorCode::no_space) << put.error().message;
        ASSERT_TRUE(put.error().retryable);
        break;
      }
      values_.emplace_back(*put, value);
    }
    take_the_rest();
  }
  void take_the_rest() {
    const auto other = fs_->open("other", {.write = true, .create = true}).value();
    const std::uint64_t before = fs_->info("other")->disk_bytes;
    ASSERT_TRUE(other->preallocate(before + fs_->space("other")->available_bytes).ok());
    ASSERT_LT(fs_->space("other")->available_bytes, kPageBytes);
  }
  // Most of them, one of each so many stays.
  void remove(Store& store, std::size_t but_every) {
    std::vector<std::pair<std::string, std::string>> kept;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (i % but_every == 0) {
        kept.push_back(values_[i]);
        continue;
      }
      const auto removed = store.remove(values_[i].first);
      ASSERT_TRUE(removed.ok() && *removed) << removed.error().message << fs_->trace();
    }
    values_ = kept;
  }
  std::string wrong_with(Store& store) {
    for (const auto& [id, value] : values_) {
      const auto found = store.get(id);
      if (!found.ok()) return id + ": " + found.error().message;
      if (!std::ranges::equal(*found, bytes_of(value))) return id + " has other content";
    }
    return wrong_with_counts(store);
  }

  std::unique_ptr<SimFileSystem> fs_;
  std::vector<std::pair<std::string, std::string>> values_;
};

TEST_F(ReserveTest, RemovingAndReclaimingGoOnWhenTheDiskIsFull) {
  for (const std::size_t but_every : {2, 5, 1000}) {
    Store store = open();
    ASSERT_EQ(reserve(), kReserveBytes);
    fill(store);
    ASSERT_EQ(reserve(), kReserveBytes) << "puts leave it alone";
    ASSERT_GT(values_.size(), 80u);
    const std::uint64_t used = store.stats()->log_bytes;
    remove(store, but_every);
    const auto report = store.gc({.max_dead = 0});
    ASSERT_TRUE(report.ok()) << report.error().message << fs_->trace();
    EXPECT_EQ(report->dead_bytes, 0u);
    EXPECT_LT(store.stats()->log_bytes, used * 3 / 4);
    EXPECT_EQ(reserve(), kReserveBytes) << "made again";
    EXPECT_EQ(store.stats()->reserve_bytes, kReserveBytes);
    const std::string more = value_of(10'000 + but_every);
    EXPECT_TRUE(store.put({.bytes = bytes_of(more)}).ok());
    EXPECT_EQ(wrong_with(store), "");
    ASSERT_TRUE(store.close().ok());
    store = open();
    EXPECT_EQ(wrong_with(store), "");
    ASSERT_TRUE(store.close().ok());
    values_.clear();
    ASSERT_TRUE(StoreImpl::destroy(*fs_, kStore).ok());
    EXPECT_FALSE(fs_->info(kReserve).ok());
    ASSERT_TRUE(fs_->remove_file("other").ok());
    ASSERT_TRUE(StoreImpl::create(*fs_, kStore, kSmallStore).ok());
  }
}

// Each as a process of its own, with the rest of the disk taken by others between them.
TEST_F(ReserveTest, ItOutlivesTheHandle) {
  {
    Store store = open();
    fill(store);
    remove(store, 3);
    ASSERT_TRUE(store.close().ok());
    EXPECT_GT(reserve(), kReserveBytes / 2) << "of what was left";
    take_the_rest();
  }
  Store store = open();
  const auto report = store.gc({.max_dead = 0});
  ASSERT_TRUE(report.ok()) << report.error().message << fs_->trace();
  EXPECT_EQ(report->dead_bytes, 0u);
  EXPECT_EQ(reserve(), kReserveBytes);
  EXPECT_EQ(wrong_with(store), "");
  ASSERT_TRUE(store.close().ok());
}

TEST_F(ReserveTest, WithoutItAFullDiskStaysFull) {
  Store store = open(0);
  EXPECT_EQ(reserve(), 0u);
  fill(store);
  Status failed;
  for (const auto& [id, value] : values_) {
    const auto removed = store.remove(id);
    if (!removed.ok()) failed = removed.error();
    if (!failed.ok()) break;
  }
  if (failed.ok()) {
    const auto report = store.gc({.max_dead = 0});
    ASSERT_FALSE(report.ok());
    failed = report.error();
  }
  EXPECT_EQ(failed.error().code, ErrorCode::no_space);
}

// Or else removing in turns with putting would use it up.
TEST_F(ReserveTest, PutsDoNotTakeWhatItMadeRoomFor) {
  Store store = open();
  fill(store);
  // The open segment may have some room: the next one comes out of the reserve.
  std::size_t next = 0;
  while (reserve() == kReserveBytes && next < values_.size()) {
    ASSERT_TRUE(store.remove(values_[next].first).value());
    ++next;
    const std::string filler = value_of(5000 + next).substr(0, 60'000);
    const auto put = store.put({.bytes = bytes_of(filler)});
    if (put.ok()) {
      values_.emplace_back(*put, filler);
    } else {
      ASSERT_EQ(put.error().code, ErrorCode::no_space) << put.error().message;
    }
  }
  ASSERT_LT(reserve(), kReserveBytes);
  const std::string small = random_bytes(5000, 77);
  for (int i = 0; i < 3; ++i) {
    const auto put = store.put({.bytes = bytes_of(small)});
    ASSERT_FALSE(put.ok());
    EXPECT_EQ(put.error().code, ErrorCode::no_space) << put.error().message;
    EXPECT_TRUE(put.error().retryable);
  }
  EXPECT_TRUE(store.remove(values_[next].first).value());
  values_.erase(values_.begin(), values_.begin() + static_cast<std::ptrdiff_t>(next) + 1);
  // Space that comes from elsewhere is as good as any.
  ASSERT_TRUE(fs_->remove_file("other").ok());
  fs_->set_capacity(2 * kDisk);
  EXPECT_TRUE(store.put({.bytes = bytes_of(small)}).ok());
  EXPECT_EQ(reserve(), kReserveBytes);
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(ReserveTest, ASmallStoreHasNoneUntilTheDiskIsScarce) {
  std::size_t put = 0;
  auto opened = StoreImpl::open(*fs_, kStore, {.threads = 2, .codec = Codec::none}, {});
  Store store = StoreImpl::handle(std::move(opened).value());
  const std::uint64_t wanted = reserve_for(kSmallStore.segment_bytes);
  const auto put_up_to = [&](std::uint64_t disk_bytes) {
    for (; store.stats()->disk_bytes < disk_bytes; ++put) {
      ASSERT_TRUE(store.put({.bytes = bytes_of(value_of(put))}).ok());
    }
  };
  fs_->set_capacity(20 * wanted);
  put_up_to(7 * wanted);
  EXPECT_EQ(reserve(), 0u);
  put_up_to(9 * wanted);
  EXPECT_EQ(reserve(), 0u) << "there is room enough";
  fs_->set_capacity(16 * wanted);
  put_up_to(11 * wanted);
  EXPECT_EQ(reserve(), wanted);
}

// The index writes files when it is opened: without room for them it takes the reserve's.
TEST_F(ReserveTest, AnIndexWithoutRoomIsOpenedWithIt) {
  {
    Store store = open();
    for (std::size_t i = 0; i < 5; ++i) {
      const std::string value = value_of(i);
      values_.emplace_back(store.put({.bytes = bytes_of(value)}).value(), value);
    }
    ASSERT_TRUE(store.close().ok());
  }
  const Error enospc{.code = ErrorCode::no_space, .message = "planned ENOSPC", .sys_errno = ENOSPC};
  for (std::uint64_t at = 1; at <= 20; ++at) {
    SCOPED_TRACE("call " + std::to_string(at));
    ASSERT_EQ(reserve(), kReserveBytes);
    fs_->fail_at(at, enospc, Repeat::once);
    auto opened = open_impl(*fs_);
    fs_->clear_faults();
    ASSERT_TRUE(opened.ok()) << opened.error().message << "\n" << fs_->trace();
    EXPECT_EQ(reserve(), kReserveBytes) << "made again";
    Store store = StoreImpl::handle(std::move(opened).value());
    EXPECT_EQ(wrong_with(store), "");
    ASSERT_TRUE(store.close().ok());
  }
}

TEST_F(ReserveTest, ACloneLeavesItBehind) {
  Store store = open();
  ASSERT_TRUE(store.put({.bytes = bytes_of("something")}).ok());
  ASSERT_TRUE(store.close().ok());
  const auto impl = open_impl(*fs_).value();
  ASSERT_TRUE(impl->clone("copy", {}, {}).ok());
  EXPECT_TRUE(fs_->info(kReserve).ok());
  EXPECT_FALSE(fs_->info("copy/reserve").ok());
}

// From the first removal on a full disk to the end of reclaiming.
TEST_F(ReserveTest, ACutAnywhereOnAFullDiskIsHarmless) {
  {
    Store store = open();
    fill(store);
    ASSERT_TRUE(store.close().ok());
  }
  take_the_rest();
  const auto all = values_;
  // How many calls it takes, and the states to begin with.
  const auto remove_and_reclaim = [&](FileSystem& fs) -> Status {
    CAIRN_TRY(auto impl, open_impl(fs));
    Store store = StoreImpl::handle(std::move(impl));
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i % 4 == 0) continue;
      const auto removed = store.remove(all[i].first);
      if (!removed.ok()) return removed.error();
    }
    CAIRN_TRY(const GcReport report, store.gc({.max_dead = 0}));
    if (report.dead_bytes > 0) return Error{.code = ErrorCode::corruption, .message = "dead content is left"};
    return store.close();
  };
  const auto whole = fs_->survivor(1, Loss::keep_all);
  const std::uint64_t before = whole->write_calls();
  const Status ran = remove_and_reclaim(*whole);
  ASSERT_TRUE(ran.ok()) << ran.error().message << whole->trace();
  const std::uint64_t calls = whole->write_calls() - before;
  const std::size_t cuts = std::min<std::size_t>(scaled(25, calls), calls);
  for (std::size_t cut = 0; cut < cuts; ++cut) {
    const std::uint64_t at = 1 + (cut * calls + cut % 7 * calls / 50) / cuts % calls;
    SCOPED_TRACE("cut at " + std::to_string(at));
    const auto machine = fs_->survivor(1, Loss::keep_all);
    machine->crash_at(at);
    static_cast<void>(remove_and_reclaim(*machine).ok());
    machine->power_loss(at, cut % 2 == 0 ? Loss::drop_unsynced : Loss::reorder_sectors);
    // The same again, with the disk as full as before.
    const Status again = remove_and_reclaim(*machine);
    ASSERT_TRUE(again.ok()) << again.error().message << machine->trace();
    values_.clear();
    for (std::size_t i = 0; i < all.size(); i += 4) values_.push_back(all[i]);
    Store store = StoreImpl::handle(open_impl(*machine).value());
    ASSERT_EQ(wrong_with(store), "");
    EXPECT_EQ(machine->info(kReserve)->disk_bytes, kReserveBytes);
  }
}

}  // namespace
}  // namespace cairn::testing
