// SPDX-License-Identifier: Apache-2.0
//
// What a stored block costs the index, on disk and in memory, by the million.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "engine/base/sanitizers.h"
#include "engine/index/guard.h"
#include "tests/index/index_samples.h"
#include "tests/support/scratch_folder.h"

namespace cairn::testing {
namespace {

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(IndexSize, ABlockCostsAtMostTwoBytesOfMemoryBeyondTheCache) {
  constexpr std::uint64_t kPerBatch = 1000;
  constexpr std::uint64_t kCacheBytes = 32 * MiB;
#if CAIRN_ADDRESS_SANITIZER || CAIRN_THREAD_SANITIZER
  const std::uint64_t blocks = 100'000;
#else
  const std::uint64_t blocks = long_scale() ? 4'000'000 : 1'000'000;
#endif
  ScratchFolder folder;
  const std::string path = folder / "index";
  auto opened = Index::open(posix_file_system(), path, Index::Access::read_write);
  ASSERT_CAIRN_OK(opened);
  Index& index = **opened;
  const std::uint64_t resident_before = resident_bytes();

  double applying = 0;
  for (std::uint64_t first = 0; first < blocks; first += kPerBatch) {
    IndexBatch batch;
    for (std::uint64_t i = first; i < first + kPerBatch; ++i) {
      batch.records.push_back({sample_digest(i), sample_location(RecordKind::block, i + 1)});
    }
    batch.applied = Position{1, first + kPerBatch};
    const auto start = std::chrono::steady_clock::now();
    ASSERT_CAIRN_OK(index.apply(batch));
    if ((first + kPerBatch) % std::min<std::uint64_t>(250'000, blocks / 4) == 0) ASSERT_CAIRN_OK(index.checkpoint());
    applying += seconds_since(start);
  }
  auto start = std::chrono::steady_clock::now();
  std::uint64_t walked = 0;
  ASSERT_CAIRN_OK(index.for_each_block([&](const Digest&, const RecordLocation&) -> Status {
    ++walked;
    return {};
  }));
  const double walking = seconds_since(start);
  EXPECT_EQ(walked, blocks);
  start = std::chrono::steady_clock::now();
  constexpr std::uint64_t kLookups = 200'000;
  for (std::uint64_t i = 0; i < kLookups; ++i) {
    // Every second one is of a block that is not there.
    const std::uint64_t number = i * 7919 % blocks + (i % 2 == 0 ? 0 : blocks);
    const auto found = index.find_block(sample_digest(number));
    ASSERT_CAIRN_OK(found);
    ASSERT_EQ(found->has_value(), number < blocks);
  }
  const double looking = seconds_since(start);

  const std::uint64_t memory = index.memory_bytes();
  const auto n = static_cast<double>(blocks);
  std::printf("%.0f blocks: memory_bytes %.1f MiB; resident +%.1f MiB\n", n,
              static_cast<double>(memory) / static_cast<double>(MiB),
              static_cast<double>(resident_bytes() - resident_before) / static_cast<double>(MiB));
  std::printf("apply with checkpoints %.0f/s; walk %.0f/s; lookups, half of them absent, %.0f/s\n", n / applying,
              n / walking, kLookups / looking);
  // The cache is let go over its size by what is pinned at the moment: some blocks.
  EXPECT_LE(memory, kCacheBytes + 1 * MiB + 2 * blocks);
  // What the process really holds: RocksDB's threads and the allocator take their share too,
  // which is the same for few blocks and for many.
#if !CAIRN_ADDRESS_SANITIZER && !CAIRN_THREAD_SANITIZER  // their own memory is counted in
  EXPECT_LE(resident_bytes() - resident_before, kCacheBytes + 40 * MiB + 2 * blocks);
#endif

  // Opening to write removes what compaction has replaced since the last checkpoint.
  start = std::chrono::steady_clock::now();
  opened->reset();
  auto again = Index::open(posix_file_system(), path, Index::Access::read_write);
  ASSERT_CAIRN_OK(again);
  EXPECT_EQ((*again)->applied().offset, blocks);
  std::printf("close and reopen %.0f ms\n", seconds_since(start) * 1000);
  again->reset();
  auto reader = Index::open(posix_file_system(), path, Index::Access::read_only);
  ASSERT_CAIRN_OK(reader);
  std::uint64_t disk_bytes = 0;
  const auto guard = read_guard(posix_file_system(), path);
  ASSERT_TRUE(guard.ok() && guard->has_value());
  for (const GuardedFile& file : (*guard)->files) disk_bytes += file.size;
  std::printf("%.1f bytes of disk a block\n", static_cast<double>(disk_bytes) / n);
  EXPECT_LE(disk_bytes, 100 * blocks);
}

}  // namespace
}  // namespace cairn::testing
