// SPDX-License-Identifier: Apache-2.0
//
// Merging the tables of entries gives back what is gone, and changes nothing else.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include "engine/base/errors.h"
#include "tests/index/index_samples.h"
#include "tests/support/scarce_file_system.h"
#include "tests/support/scratch_folder.h"

namespace cairn::testing {
namespace {

constexpr std::uint64_t kEntries = 20'000, kDisk = std::uint64_t{1} << 41, kRoom = kDisk / 2;

class IndexMergeTest : public ::testing::Test {
 protected:
  IndexMergeTest() {
    fs_.available_bytes = [this] { return available_.load(); };
    open();
  }
  void open() {
    index_.reset();
    auto opened = Index::open(fs_, path_, Index::Access::read_write);
    EXPECT_TRUE(opened.ok());
    index_ = std::move(*opened);
  }
  static std::string key(std::uint64_t i) { return "m" + std::to_string(1'000'000 + i); }
  // Every entry, but for those that are removed all except one in `kept`.
  void write(std::uint64_t kept) {
    for (std::uint64_t first = 0; first < kEntries; first += 1000) {
      IndexBatch batch;
      for (std::uint64_t i = first; i < first + 1000; ++i) {
        StoredEntry entry{.key = key(i), .version = ++version_};
        entry.removed = kept != 0 && i % kept != 0;
        if (kept != 0 && !entry.removed) continue;
        if (!entry.removed) entry.value = std::string(300, static_cast<char>('a' + i % 26));
        batch.entries.emplace_back(std::move(entry), RecordPlace{1, version_});
      }
      batch.applied = Position{1, version_};
      ASSERT_CAIRN_OK(index_->apply(batch));
    }
    ASSERT_CAIRN_OK(index_->checkpoint());
  }
  std::uint64_t bytes() const {
    std::uint64_t all = 0;
    for (const auto& file : std::filesystem::directory_iterator(path_)) all += file.file_size();
    return all;
  }
  std::vector<std::string> all() {
    std::vector<std::string> found;
    EXPECT_TRUE(index_
                    ->for_each_entry("m", Index::Order::ascending, "",
                                     [&](const auto& entry) -> Result<bool> {
                                       found.push_back(entry.key + entry.value);
                                       return true;
                                     })
                    .ok());
    return found;
  }

  std::atomic<std::uint64_t> available_ = kDisk;
  ScarceFileSystem fs_{posix_file_system()};
  ScratchFolder folder_;
  const std::string path_ = folder_ / "index";
  std::unique_ptr<Index> index_;
  std::uint64_t version_ = 0;
};

TEST_F(IndexMergeTest, GivesBackWhatIsGoneAndKeepsTheRest) {
  write(0);
  write(10);
  const auto before = all();
  ASSERT_EQ(before.size(), kEntries / 10);
  const std::uint64_t bytes_before = bytes();
  const auto merged = index_->merge_entries(kRoom);
  ASSERT_CAIRN_OK(merged);
  EXPECT_TRUE(*merged);
  ASSERT_CAIRN_OK(index_->checkpoint());
  EXPECT_LT(bytes(), bytes_before / 4);
  EXPECT_EQ(all(), before);
  open();
  EXPECT_EQ(all(), before);
}

TEST_F(IndexMergeTest, DoesNothingWithoutRoomOrWithoutNeed) {
  write(0);
  write(10);
  const std::uint64_t bytes_before = bytes();
  EXPECT_FALSE(*index_->merge_entries(bytes_before));
  // Twice as much as there is, and what memory may hold as well.
  EXPECT_FALSE(*index_->merge_entries(2 * bytes_before + 8 * MiB));
  EXPECT_FALSE(*index_->merge_entries(0));
  EXPECT_EQ(bytes(), bytes_before);
  ASSERT_TRUE(*index_->merge_entries(kRoom));
  ASSERT_CAIRN_OK(index_->checkpoint());
  EXPECT_FALSE(*index_->merge_entries(kRoom));
}

TEST_F(IndexMergeTest, EndsWhenOthersTakeTheRoomAndMayBeTriedAgain) {
  write(0);
  write(2);
  const auto before = all();
  const std::uint64_t bytes_before = bytes();
  fs_.before_create = [&](const std::string& path) -> Status {
    if (path.ends_with(".sst")) available_ = kDisk - kRoom - 1;
    return {};
  };
  const auto ended = index_->merge_entries(kRoom);
  ASSERT_CAIRN_OK(ended);
  EXPECT_FALSE(*ended);
  EXPECT_EQ(available_, kDisk - kRoom - 1) << "nothing was merged, and nothing has ended";
  fs_.before_create = nullptr;
  EXPECT_EQ(all(), before);
  ASSERT_CAIRN_OK(index_->checkpoint());
  EXPECT_LE(bytes(), bytes_before + bytes_before / 64) << "what was begun is still there";
  available_ = kDisk;
  EXPECT_TRUE(*index_->merge_entries(kRoom));
  ASSERT_CAIRN_OK(index_->checkpoint());
  EXPECT_LT(bytes(), bytes_before);
  open();
  EXPECT_EQ(all(), before);
}

TEST_F(IndexMergeTest, OneThatFindsNoRoomAfterAllLeavesAnIndexThatIsWrittenTo) {
  write(0);
  write(2);
  const auto before = all();
  fs_.before_create = [&](const std::string& path) -> Status {
    return path.ends_with(".sst") ? Status(make_error(ErrorCode::no_space, "full")) : Status();
  };
  EXPECT_EQ(index_->merge_entries(kRoom).error().code, ErrorCode::no_space);
  fs_.before_create = nullptr;
  EXPECT_EQ(all(), before);
  write(4);
  const auto after = all();
  EXPECT_EQ(after.size(), kEntries / 4);
  EXPECT_TRUE(*index_->merge_entries(kRoom));
  ASSERT_CAIRN_OK(index_->checkpoint());
  open();
  EXPECT_EQ(all(), after);
}

TEST_F(IndexMergeTest, WhatIsNotCheckpointedAfterItIsAsBefore) {
  write(0);
  write(10);
  const auto before = all();
  ASSERT_TRUE(*index_->merge_entries(kRoom));
  index_->retire();
  open();
  EXPECT_EQ(all(), before);
}

}  // namespace
}  // namespace cairn::testing
