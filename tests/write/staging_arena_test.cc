// SPDX-License-Identifier: Apache-2.0
#include "engine/write/staging_arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace cairn {
namespace {

std::vector<std::byte> noise(std::size_t count) {
  std::mt19937_64 random(1);
  std::vector<std::byte> bytes((count + 7) / 8 * 8);
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, 8);
  }
  return bytes;
}

// Copies `size` bytes between these distances from a 64-byte boundary: what was copied is
// equal, and its neighbours are untouched.
class CopyPastCacheTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kRoom = 320 * KiB;

  void copy(std::size_t size, std::size_t to, std::size_t from) {
    std::byte* const begin = target_ + 64 + to;
    std::memset(target_, 0xa5, 64 + to);
    std::memset(begin + size, 0xa5, 128);
    const Bytes source(source_ + from, size);
    copy_past_cache({begin, size}, source);
    const auto is_mark = [](std::byte byte) { return byte == std::byte{0xa5}; };
    ASSERT_TRUE((size == 0 || std::memcmp(begin, source.data(), size) == 0) && std::all_of(target_, begin, is_mark) &&
                std::all_of(begin + size, begin + size + 128, is_mark))
        << size << " bytes to " << to << " from " << from;
  }
  static std::byte* aligned(std::vector<std::byte>& memory) {
    const auto at = reinterpret_cast<std::uintptr_t>(memory.data());
    return memory.data() + (64 - at % 64) % 64;
  }

  std::vector<std::byte> source_memory_ = noise(kRoom), target_memory_ = std::vector<std::byte>(kRoom);
  std::byte* const source_ = aligned(source_memory_);
  std::byte* const target_ = aligned(target_memory_);
};

TEST_F(CopyPastCacheTest, SmallSizesAtEveryAlignment) {
  for (const std::size_t size : {0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000}) {
    for (std::size_t to = 0; to < 64; ++to) {
      for (std::size_t from = 0; from < 64; from += 3) copy(size, to, from);
    }
  }
}

TEST_F(CopyPastCacheTest, SizesAroundTheThresholdAtEveryAlignmentOfTheSource) {
  constexpr std::size_t kThreshold = 256 * KiB;
  for (const std::size_t size : {kThreshold - 1, kThreshold, kThreshold + 1, kThreshold + 63, kThreshold + 64,
                                 kThreshold + 65, kThreshold + 4096 + 7}) {
    for (std::size_t from = 0; from < 64; from += size == kThreshold + 65 ? 1 : 7) copy(size, 0, from);
    for (const std::size_t to : {1, 8, 16, 32, 63}) copy(size, to, 5);
  }
}

TEST(StagingArenaTest, EverySlabIsHandedOutOnceAndComesBack) {
  constexpr std::size_t kSlab = 64 * KiB, kCount = 5;
  const auto arena = StagingArena::create(kSlab, kCount).value();
  std::vector<StagingArena::Slab> slabs;
  std::set<std::byte*> places;
  for (std::size_t i = 0; i < kCount; ++i) {
    slabs.push_back(arena->take());
    ASSERT_NE(slabs.back().hold, nullptr);
    ASSERT_EQ(slabs.back().bytes.size(), kSlab);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slabs.back().bytes.data()) % 4096, 0u);
    std::memset(slabs.back().bytes.data(), static_cast<int>(i), kSlab);
    places.insert(slabs.back().bytes.data());
  }
  EXPECT_EQ(places.size(), kCount);
  EXPECT_EQ(arena->take().hold, nullptr);
  for (std::size_t i = 0; i < kCount; ++i) {
    const auto is_mark = [&](std::byte byte) { return byte == static_cast<std::byte>(i); };
    EXPECT_TRUE(std::ranges::all_of(slabs[i].bytes, is_mark)) << "slabs overlap";
  }
  std::byte* const place = slabs[2].bytes.data();
  std::shared_ptr<const void> shared = slabs[2].hold;
  slabs[2] = {};
  EXPECT_EQ(arena->take().hold, nullptr) << "somebody has it still";
  shared.reset();
  EXPECT_EQ(arena->take().bytes.data(), place);
}

TEST(StagingArenaTest, TheSlabUsedLastIsTakenFirst) {
  const auto arena = StagingArena::create(64 * KiB, 3).value();
  const StagingArena::Slab first = arena->take();
  StagingArena::Slab second = arena->take();
  std::byte* const place = second.bytes.data();
  second = {};
  EXPECT_EQ(arena->take().bytes.data(), place);
}

TEST(StagingArenaTest, SlabsOutliveTheArena) {
  auto arena = StagingArena::create(64 * KiB, 2).value();
  const StagingArena::Slab slab = arena->take();
  arena.reset();
  std::memset(slab.bytes.data(), 7, slab.bytes.size());
  EXPECT_EQ(slab.bytes.back(), std::byte{7});
}

TEST(StagingArenaTest, ThreadsNeverShareASlab) {
  const auto arena = StagingArena::create(4 * KiB, 4).value();
  std::atomic<unsigned> clashes = 0, taken = 0;
  std::vector<std::thread> threads;
  for (int t = 1; t <= 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        const StagingArena::Slab slab = arena->take();
        if (slab.hold == nullptr) continue;
        ++taken;
        std::memset(slab.bytes.data(), t, slab.bytes.size());
        std::this_thread::yield();
        clashes += std::ranges::all_of(slab.bytes, [&](std::byte b) { return b == std::byte(t); }) ? 0 : 1;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(clashes, 0u);
  EXPECT_GT(taken, 0u);
}

}  // namespace
}  // namespace cairn
