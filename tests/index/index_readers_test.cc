// SPDX-License-Identifier: Apache-2.0
//
// Reading while the index changes: from other threads, and through read-only openers
// beside a writer that checkpoints and compacts under them.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "engine/index/guard.h"
#include "tests/index/index_samples.h"
#include "tests/support/scratch_folder.h"

namespace cairn::testing {
namespace {

// Batch n of sample_batch() in full, or not at all.
void expect_batches_whole(Index& index) {
  const std::uint64_t steps = index.applied().offset;
  for (std::uint64_t step = 0; step < steps; step += 1 + steps / 20) {
    const IndexBatch batch = sample_batch(step);
    for (const IndexBatch::Put& put : batch.records) {
      const auto found =
          put.at.kind == RecordKind::block ? index.find_block(put.key) : index.find_object(put.at.kind, put.key);
      ASSERT_CAIRN_OK(found);
      ASSERT_TRUE(found->has_value()) << "step " << step << " of " << steps;
      ASSERT_GE((*found)->sequence, put.at.sequence);
    }
  }
}

TEST(IndexReaders, ThreadsSeeWholeBatchesWhileOthersAreApplied) {
  ScratchFolder folder;
  for (const bool in_memory : {false, true}) {
    auto opened = in_memory ? Index::open_in_memory()
                            : Index::open(posix_file_system(), folder / "index", Index::Access::read_write);
    ASSERT_CAIRN_OK(opened);
    Index& index = **opened;
    std::atomic<bool> done{false};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&] {
        while (!done) {
          expect_batches_whole(index);
          const Status walked = index.for_each_block([&](const Digest& key, const RecordLocation&) -> Status {
            CAIRN_TRY(const auto found, index.find_block(key));
            EXPECT_TRUE(found.has_value());
            return {};
          });
          EXPECT_TRUE(walked.ok());
          EXPECT_LE(index.applied().offset, 200u);
          EXPECT_GT(index.memory_bytes() + 1, 0u);
        }
      });
    }
    for (std::uint64_t step = 0; step < 200; ++step) {
      ASSERT_CAIRN_OK(index.apply(sample_batch(step)));
      if (step % 25 == 24) ASSERT_CAIRN_OK(index.checkpoint());
    }
    done = true;
    for (std::thread& reader : readers) reader.join();
  }
}

TEST(IndexReaders, AReadOnlyOpenerWorksBesideALiveWriter) {
  ScratchFolder folder;
  const std::string path = folder / "index";
  auto opened = Index::open(posix_file_system(), path, Index::Access::read_write);
  ASSERT_CAIRN_OK(opened);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    // Enough checkpoints for compactions, which take files away under the readers.
    for (std::uint64_t step = 0; step < 60; ++step) {
      EXPECT_TRUE((*opened)->apply(sample_batch(step)).ok());
      EXPECT_TRUE((*opened)->checkpoint().ok());
    }
    done = true;
  });
  int opens = 0;
  std::uint64_t before = 0;
  while (!done) {
    auto reader = Index::open(posix_file_system(), path, Index::Access::read_only);
    if (!reader.ok()) ADD_FAILURE() << reader.error().message;
    if (!reader.ok()) break;
    ++opens;
    const std::uint64_t steps = (*reader)->applied().offset;
    EXPECT_GE(steps, before);
    before = steps;
    expect_batches_whole(**reader);
    // What the reader applies is its own.
    for (std::uint64_t step = steps; step < steps + 3; ++step) {
      const Status applied = (*reader)->apply(sample_batch(step));
      EXPECT_TRUE(applied.ok());
    }
    expect_batches_whole(**reader);
    EXPECT_EQ((*reader)->applied().offset, steps + 3);
  }
  writer.join();
  std::printf("%d readers came and went\n", opens);
  EXPECT_GT(opens, 1);
}

TEST(IndexReaders, AReaderKeepsItsViewWhileTheWriterReplacesEveryFile) {
  ScratchFolder folder;
  const std::string path = folder / "index";
  auto writer = Index::open(posix_file_system(), path, Index::Access::read_write);
  ASSERT_CAIRN_OK(writer);
  ASSERT_CAIRN_OK((*writer)->apply(sample_batch(0)));
  ASSERT_CAIRN_OK((*writer)->checkpoint());
  auto reader = Index::open(posix_file_system(), path, Index::Access::read_only);
  ASSERT_CAIRN_OK(reader);
  const auto before = read_everything(**reader);
  ASSERT_CAIRN_OK(before);
  writer->reset();
  ASSERT_CAIRN_OK(Index::destroy(posix_file_system(), path));
  const auto same = holds_exactly(**reader, *before);
  ASSERT_CAIRN_OK(same);
  EXPECT_TRUE(*same);
}

TEST(IndexReaders, OneThatIsRetiredLeavesTheFolderToTheNext) {
  ScratchFolder folder;
  const std::string path = folder / "index";
  for (std::uint64_t round = 0; round < 8; ++round) {
    auto retired = Index::open(posix_file_system(), path, Index::Access::read_write);
    ASSERT_CAIRN_OK(retired);
    // Enough for a compaction, which may still run.
    for (std::uint64_t step = 0; step < 12; ++step) {
      ASSERT_CAIRN_OK((*retired)->apply(sample_batch(100 * round + step)));
      ASSERT_CAIRN_OK((*retired)->checkpoint());
    }
    (*retired)->retire();
    auto next = Index::open(posix_file_system(), path, Index::Access::read_write);
    ASSERT_CAIRN_OK(next);
    for (std::uint64_t step = 50; step < 56; ++step) {
      ASSERT_CAIRN_OK((*next)->apply(sample_batch(100 * round + step)));
      if (step % 2 == 0) ASSERT_CAIRN_OK((*next)->checkpoint());
    }
    ASSERT_CAIRN_OK((*retired)->find_block(sample_digest(1)));
    retired->reset();
    ASSERT_CAIRN_OK((*next)->checkpoint());
    next->reset();
    auto reopened = Index::open(posix_file_system(), path, Index::Access::read_write);
    ASSERT_CAIRN_OK(reopened);
    EXPECT_EQ((*reopened)->applied().offset, sample_batch(100 * round + 55).applied->offset);
  }
}

TEST(IndexReaders, ManyShortProcessesDoNotLeaveManyTables) {
  ScratchFolder folder;
  const std::string path = folder / "index";
  for (std::uint64_t step = 0; step < 30; ++step) {
    auto writer = Index::open(posix_file_system(), path, Index::Access::read_write);
    ASSERT_CAIRN_OK(writer);
    ASSERT_EQ((*writer)->applied().offset, step);
    ASSERT_CAIRN_OK((*writer)->apply(sample_batch(step)));
    ASSERT_CAIRN_OK((*writer)->checkpoint());
  }
  const auto guard = read_guard(posix_file_system(), path);
  ASSERT_TRUE(guard.ok() && guard->has_value());
  EXPECT_LE((*guard)->files.size(), 12u);
}

TEST(IndexReaders, AReaderOfNothingDurableSeesAnEmptyIndex) {
  ScratchFolder folder;
  const std::string path = folder / "index";
  auto none = Index::open(posix_file_system(), path, Index::Access::read_only);
  ASSERT_CAIRN_OK(none);
  EXPECT_EQ((*none)->applied(), Position{});
  auto writer = Index::open(posix_file_system(), path, Index::Access::read_write);
  ASSERT_CAIRN_OK(writer);
  ASSERT_CAIRN_OK((*writer)->apply(sample_batch(0)));
  auto reader = Index::open(posix_file_system(), path, Index::Access::read_only);
  ASSERT_CAIRN_OK(reader);
  EXPECT_EQ((*reader)->applied(), Position{});
  ASSERT_CAIRN_OK((*reader)->apply(sample_batch(0)));
  expect_batches_whole(**reader);
}

}  // namespace
}  // namespace cairn::testing
