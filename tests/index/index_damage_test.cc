// SPDX-License-Identifier: Apache-2.0
//
// Damage to any file of a closed index is found or is harmless, and never ends the
// process: after each the index opens with exactly what it held, or says corruption.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <random>

#include "engine/index/index.h"
#include "tests/index/index_samples.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

const char kPath[] = "index";

// RocksDB ends the process by an assertion, if it does: say then what it was given.
char doing[200];
void say_what_ended_us(int) {
  const auto written = write(STDERR_FILENO, doing, std::strlen(doing));
  static_cast<void>(written);
}

class IndexDamage : public ::testing::Test {
 protected:
  void SetUp() override { std::signal(SIGABRT, say_what_ended_us); }
  void TearDown() override { std::signal(SIGABRT, SIG_DFL); }

  // A closed index of `checkpoints` tables.
  void build(std::uint64_t checkpoints, std::uint64_t records) {
    auto index = Index::open(fs_, kPath, Index::Access::read_write);
    ASSERT_CAIRN_OK(index);
    for (std::uint64_t step = 0; step < checkpoints; ++step) {
      ASSERT_CAIRN_OK((*index)->apply(sample_batch(step, records)));
      ASSERT_CAIRN_OK((*index)->checkpoint());
    }
    auto all = read_everything(**index);
    ASSERT_CAIRN_OK(all);
    expected_ = *all;
    index->reset();
    ASSERT_CAIRN_OK(fs_.sync_directory(kPath));
  }

  std::vector<std::string> files() { return std::move(*fs_.list_directory(kPath)); }
  static std::string path_of(const std::string& name) { return std::string(kPath) + "/" + name; }
  std::uint64_t size_of(const std::string& name) { return fs_.info(path_of(name))->size; }

  // Opens and reads all of a damaged index.
  void expect_found_or_harmless(FileSystem& fs, Index::Access access, const std::string& what) {
    std::snprintf(doing, sizeof(doing), "ended by: %s\n", what.c_str());
    ++cases_;
    auto index = Index::open(fs, kPath, access);
    if (index.ok()) {
      const auto same = holds_exactly(**index, expected_);
      if (same.ok()) {
        ++harmless_;
        EXPECT_TRUE(*same) << "silent: " << what;
        return;
      }
      EXPECT_EQ(same.error().code, ErrorCode::corruption) << what << ": " << same.error().message;
      return;
    }
    EXPECT_EQ(index.error().code, ErrorCode::corruption) << what << ": " << index.error().message;
  }

  void flip(const std::string& name, std::uint64_t offset, unsigned bit) {
    const std::string what = "bit " + std::to_string(bit) + " of byte " + std::to_string(offset) + " of " + name;
    ASSERT_CAIRN_OK(fs_.flip_bit(path_of(name), offset, bit));
    expect_found_or_harmless(fs_, Index::Access::read_only, what);
    ASSERT_CAIRN_OK(fs_.flip_bit(path_of(name), offset, bit));
  }

  void print_counts() { std::printf("%d cases, %d of them harmless\n", cases_, harmless_); }

  SimFileSystem fs_;
  Everything expected_;
  int cases_ = 0, harmless_ = 0;
};

// RocksDB's files that nothing ever reads: its options, and an empty log.
bool is_never_read(const std::string& name) { return name.starts_with("OPTIONS") || name.ends_with(".log"); }

TEST_F(IndexDamage, AnyFlippedByteIsFoundOrHarmless) {
  build(2, 12);
  for (const std::string& name : files()) {
    const std::uint64_t stride = is_never_read(name) ? 101 : 1;
    for (std::uint64_t offset = 0; offset < size_of(name); offset += stride) {
      for (unsigned bit = offset % 8; bit < 8; bit += long_scale() ? 1 : 8) flip(name, offset, bit);
    }
  }
  print_counts();
  EXPECT_GT(cases_, 5000);
}

TEST_F(IndexDamage, AFlippedByteInALargeTableIsFoundOrHarmless) {
  build(2, 1500);
  std::mt19937_64 random(test_seed(1));
  for (const std::string& name : files()) {
    if (is_never_read(name)) continue;
    for (int i = 0; i < (long_scale() ? 4'000 : 120); ++i) {
      flip(name, random() % size_of(name), static_cast<unsigned>(random() % 8));
    }
  }
  print_counts();
}

TEST_F(IndexDamage, AWriterFindsFlippedBytesToo) {
  build(2, 12);
  std::mt19937_64 random(test_seed(2));
  for (const std::string& name : files()) {
    for (int i = 0; i < (long_scale() ? 1000 : 60) && size_of(name) > 0; ++i) {
      const auto copy = fs_.survivor(1, Loss::keep_all);
      const std::uint64_t offset = random() % size_of(name);
      ASSERT_CAIRN_OK(copy->flip_bit(path_of(name), offset, static_cast<unsigned>(random() % 8)));
      expect_found_or_harmless(*copy, Index::Access::read_write, "byte " + std::to_string(offset) + " of " + name);
    }
  }
  print_counts();
}

TEST_F(IndexDamage, AnyTruncationIsFoundOrHarmless) {
  build(2, 12);
  for (const std::string& name : files()) {
    const std::uint64_t stride = is_never_read(name) ? 501 : long_scale() ? 1 : 7;
    for (std::uint64_t size = 0; size < size_of(name); size += stride) {
      const auto copy = fs_.survivor(1, Loss::keep_all);
      auto file = copy->open(path_of(name), {.write = true});
      ASSERT_CAIRN_OK(file);
      ASSERT_CAIRN_OK((*file)->truncate(size));
      expect_found_or_harmless(*copy, size % 2 == 0 ? Index::Access::read_only : Index::Access::read_write,
                               name + " cut to " + std::to_string(size));
    }
  }
  print_counts();
}

TEST_F(IndexDamage, WhatTheGuardListsMustBeThere) {
  build(3, 12);
  for (const std::string& name : files()) {
    SCOPED_TRACE(name);
    const auto copy = fs_.survivor(1, Loss::keep_all);
    ASSERT_CAIRN_OK(copy->remove_file(path_of(name)));
    auto index = Index::open(*copy, kPath, Index::Access::read_write);
    const bool needed = !is_never_read(name) && name != "CURRENT";
    ASSERT_EQ(index.ok(), !needed);
    if (needed) {
      EXPECT_EQ(index.error().code, ErrorCode::corruption);
      EXPECT_NE(index.error().message.find(name), std::string::npos) << index.error().message;
    }
  }
}

TEST_F(IndexDamage, AnOlderTableInPlaceOfANewerIsFound) {
  build(3, 12);
  std::vector<std::string> tables;
  for (const std::string& name : files()) {
    if (name.ends_with(".sst")) tables.push_back(name);
  }
  ASSERT_GE(tables.size(), 2u);
  ASSERT_CAIRN_OK(fs_.rename(path_of(tables[0]), path_of(tables[1])));
  auto index = Index::open(fs_, kPath, Index::Access::read_write);
  ASSERT_FALSE(index.ok());
  EXPECT_EQ(index.error().code, ErrorCode::corruption);
}

TEST_F(IndexDamage, WhatIsNewerThanTheGuardIsNoDamage) {
  build(2, 12);
  // A longer MANIFEST, a stray table, another CURRENT: a crash after a flush leaves them.
  for (const std::string& name : files()) {
    if (!name.starts_with("MANIFEST-")) continue;
    auto manifest = fs_.open(path_of(name), {.write = true});
    ASSERT_CAIRN_OK(manifest);
    ASSERT_CAIRN_OK((*manifest)->write_at(size_of(name), as_bytes("half a record")));
  }
  ASSERT_CAIRN_OK(write_file_atomically(fs_, path_of("000999.sst"), as_bytes("half a table")));
  ASSERT_CAIRN_OK(write_file_atomically(fs_, path_of("CURRENT"), as_bytes("MANIFEST-000998\n")));
  for (const auto access : {Index::Access::read_only, Index::Access::read_write}) {
    auto index = Index::open(fs_, kPath, access);
    ASSERT_CAIRN_OK(index);
    const auto same = holds_exactly(**index, expected_);
    ASSERT_CAIRN_OK(same);
    EXPECT_TRUE(*same);
  }
  EXPECT_EQ(fs_.info(path_of("000999.sst")).error().code, ErrorCode::not_found);
}

TEST_F(IndexDamage, AnythingInAFolderWithoutAGuardIsDamage) {
  ASSERT_CAIRN_OK(fs_.create_directory(kPath));
  ASSERT_CAIRN_OK(write_file_atomically(fs_, path_of("000007.sst"), as_bytes("a table")));
  for (const auto access : {Index::Access::read_only, Index::Access::read_write}) {
    auto index = Index::open(fs_, kPath, access);
    ASSERT_FALSE(index.ok());
    EXPECT_EQ(index.error().code, ErrorCode::corruption);
  }
  ASSERT_CAIRN_OK(Index::destroy(fs_, kPath));
  ASSERT_CAIRN_OK(Index::destroy(fs_, kPath));
  EXPECT_EQ(fs_.info(kPath).error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace cairn::testing
