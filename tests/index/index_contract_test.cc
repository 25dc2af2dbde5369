// SPDX-License-Identifier: Apache-2.0
//
// What index.h promises, of every kind of index there is.
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "engine/index/index.h"
#include "tests/index/index_samples.h"
#include "tests/support/scratch_folder.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

enum class Backend { posix, simulated, memory, overlay };

class IndexContract : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (GetParam() == Backend::memory) {
      index_ = std::move(*Index::open_in_memory());
      return;
    }
    auto writer = Index::open(fs_, path_, Index::Access::read_write);
    ASSERT_CAIRN_OK(writer);
    if (GetParam() != Backend::overlay) {
      index_ = std::move(*writer);
      return;
    }
    // Over a base that holds something, or reads would not go through it.
    IndexBatch beneath;
    beneath.refs.push_back(sample_ref("beneath", 1));
    ASSERT_CAIRN_OK((*writer)->apply(beneath));
    ASSERT_CAIRN_OK((*writer)->checkpoint());
    writer->reset();
    auto reader = Index::open(fs_, path_, Index::Access::read_only);
    ASSERT_CAIRN_OK(reader);
    index_ = std::move(*reader);
    IndexBatch hide;
    hide.refs.push_back(removed_ref("beneath", 1));
    ASSERT_CAIRN_OK(index_->apply(hide));
  }

  void apply_ok(const IndexBatch& batch) { ASSERT_CAIRN_OK(index_->apply(batch)); }
  void put(std::uint64_t number, RecordKind kind, std::uint64_t sequence) {
    IndexBatch batch;
    batch.records.push_back({sample_digest(number), sample_location(kind, sequence)});
    apply_ok(batch);
  }
  std::optional<RecordLocation> block(std::uint64_t number) {
    auto found = index_->find_block(sample_digest(number));
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() ? *found : std::nullopt;
  }
  std::uint64_t latest(std::string_view name) {
    auto found = index_->latest_ref(name);
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() && *found ? (*found)->version : 0;
  }

  ScratchFolder folder_;
  SimFileSystem simulated_;
  FileSystem& fs_ = GetParam() == Backend::simulated ? static_cast<FileSystem&>(simulated_) : posix_file_system();
  const std::string path_ = GetParam() == Backend::simulated ? "index" : folder_ / "index";
  std::unique_ptr<Index> index_;
};

TEST_P(IndexContract, ANewIndexIsEmptyAndAtTheStart) {
  EXPECT_EQ(index_->applied(), Position{});
  EXPECT_EQ(index_->next_sequence(), 0u);
  EXPECT_EQ(block(1), std::nullopt);
  auto all = read_everything(*index_);
  ASSERT_CAIRN_OK(all);
  EXPECT_EQ(*all, Everything{});
}

TEST_P(IndexContract, WhatWasAppliedIsFoundInEveryField) {
  IndexBatch batch;
  batch.records.push_back({sample_digest(1), sample_location(RecordKind::block, 3)});
  batch.records.push_back({sample_digest(2), sample_location(RecordKind::tree, 4)});
  batch.refs.push_back(sample_ref("llama", 3));
  batch.seen.emplace_back("/models/llama", sample_seen(6));
  batch.applied = Position{2, 4096};
  batch.next_sequence = 5;
  apply_ok(batch);

  EXPECT_EQ(block(1), sample_location(RecordKind::block, 3));
  EXPECT_EQ(**index_->find_object(RecordKind::tree, sample_digest(2)), sample_location(RecordKind::tree, 4));
  EXPECT_EQ(**index_->find_ref("llama", 3), sample_ref("llama", 3));
  EXPECT_EQ(**index_->find_seen("/models/llama"), sample_seen(6));
  EXPECT_EQ(index_->applied(), (Position{2, 4096}));
  EXPECT_EQ(index_->next_sequence(), 5u);
}

TEST_P(IndexContract, WhatWasNotAppliedIsNotFound) {
  put(1, RecordKind::blob, 1);
  EXPECT_EQ(block(1), std::nullopt);
  EXPECT_FALSE((*index_->find_object(RecordKind::model, sample_digest(1))).has_value());
  EXPECT_FALSE((*index_->find_ref("llama", 1)).has_value());
  EXPECT_FALSE((*index_->latest_ref("llama")).has_value());
  EXPECT_FALSE((*index_->find_seen("/models")).has_value());
}

TEST_P(IndexContract, OneDigestMayNameObjectsOfSeveralKinds) {
  put(1, RecordKind::blob, 1);
  put(1, RecordKind::model, 2);
  put(1, RecordKind::block, 3);
  EXPECT_EQ((*index_->find_object(RecordKind::blob, sample_digest(1)))->sequence, 1u);
  EXPECT_EQ((*index_->find_object(RecordKind::model, sample_digest(1)))->sequence, 2u);
  EXPECT_EQ(block(1)->sequence, 3u);
}

TEST_P(IndexContract, AHigherSequenceReplacesALowerOneInAnyOrder) {
  put(1, RecordKind::block, 5);
  put(1, RecordKind::block, 9);
  EXPECT_EQ(block(1)->sequence, 9u);
  put(1, RecordKind::block, 7);
  EXPECT_EQ(block(1)->sequence, 9u);
}

TEST_P(IndexContract, AHigherSequenceWinsInsideOneBatch) {
  IndexBatch batch;
  for (const std::uint64_t sequence : {4, 8, 6}) {
    batch.records.push_back({sample_digest(1), sample_location(RecordKind::block, sequence)});
  }
  apply_ok(batch);
  EXPECT_EQ(block(1)->sequence, 8u);
}

TEST_P(IndexContract, ARecordCarriedToANewPlaceKeepsItsSequence) {
  put(1, RecordKind::block, 5);
  put(2, RecordKind::block, 6);
  IndexBatch carried;
  RecordLocation at = sample_location(RecordKind::block, 5);
  at.segment = 77;
  carried.records.push_back({sample_digest(1), at});
  apply_ok(carried);
  EXPECT_EQ(block(1)->segment, 77u);
}

TEST_P(IndexContract, VersionsOfANameAreWalkedFromAnyOfThem) {
  IndexBatch batch;
  for (const std::uint64_t version : {0ull, 1ull, 9ull, 10ull, 300ull, 1ull << 40}) {
    batch.refs.push_back(sample_ref("run", version));
  }
  batch.refs.push_back(sample_ref("run2", 11));
  batch.refs.push_back(sample_ref("ru", 12));
  apply_ok(batch);
  const auto walk = [&](std::uint64_t from, std::size_t limit) {
    std::vector<std::uint64_t> versions;
    const auto visit = [&](const RefRecord& ref) -> Result<bool> {
      versions.push_back(ref.version);
      return versions.size() < limit;
    };
    EXPECT_TRUE(index_->for_each_version("run", from, visit).ok());
    return versions;
  };
  using Versions = std::vector<std::uint64_t>;
  EXPECT_EQ(walk(0, 100), (Versions{0, 1, 9, 10, 300, 1ull << 40}));
  EXPECT_EQ(walk(2, 2), (Versions{9, 10}));
  EXPECT_EQ(walk((1ull << 40) + 1, 100), Versions{});
  EXPECT_EQ(index_->ref_below("run", 10).value(), sample_ref("run", 9));
  EXPECT_EQ(index_->ref_below("run", 11).value(), sample_ref("run", 10));
  EXPECT_EQ(index_->ref_below("run", 1).value(), sample_ref("run", 0));
  EXPECT_EQ(index_->ref_below("run", 0).value(), std::nullopt);
  EXPECT_EQ(index_->ref_below("r", 5).value(), std::nullopt);
}

TEST_P(IndexContract, TheLatestVersionIsTheHighestThatIsLeft) {
  IndexBatch batch;
  for (const std::uint64_t version : {1, 2, 300, 10}) batch.refs.push_back(sample_ref("run", version));
  batch.refs.push_back(sample_ref("run2", 999));
  batch.refs.push_back(sample_ref("ru", 998));
  apply_ok(batch);
  EXPECT_EQ(latest("run"), 300u);
  for (const auto& [removed, left] :
       std::vector<std::pair<std::uint64_t, std::uint64_t>>{{2, 300}, {300, 10}, {10, 1}, {1, 0}}) {
    SCOPED_TRACE(removed);
    IndexBatch remove;
    remove.refs.push_back(removed_ref("run", removed));
    apply_ok(remove);
    EXPECT_EQ(latest("run"), left);
  }
  EXPECT_EQ(latest("run2"), 999u);
  EXPECT_EQ(latest("ru"), 998u);
}

TEST_P(IndexContract, RefsInOneBatchCountInTheirOrder) {
  IndexBatch batch;
  batch.refs = {sample_ref("a", 1), removed_ref("a", 1), sample_ref("b", 1), removed_ref("b", 1), sample_ref("b", 1)};
  apply_ok(batch);
  EXPECT_EQ(latest("a"), 0u);
  EXPECT_EQ(latest("b"), 1u);
}

TEST_P(IndexContract, RefsAreWalkedByNameThenVersion) {
  IndexBatch batch;
  for (const std::string& name : {std::string("b"), std::string("a"), std::string("a/x"), std::string("ab")}) {
    for (const std::uint64_t version : {256, 1, 255}) batch.refs.push_back(sample_ref(name, version));
  }
  apply_ok(batch);
  std::vector<std::pair<std::string, std::uint64_t>> walked;
  ASSERT_CAIRN_OK(index_->for_each_ref([&](const RefRecord& ref) -> Status {
    walked.emplace_back(ref.name, ref.version);
    return {};
  }));
  EXPECT_EQ(walked.size(), 12u);
  EXPECT_TRUE(std::is_sorted(walked.begin(), walked.end()));
}

TEST_P(IndexContract, RecordsAreWalkedInKeyOrder) {
  for (std::uint64_t step = 0; step < 5; ++step) apply_ok(sample_batch(step));
  auto all = read_everything(*index_);
  ASSERT_CAIRN_OK(all);
  EXPECT_EQ(all->blocks.size(), 35u);
  EXPECT_EQ(all->objects.size(), 10u);
  EXPECT_TRUE(std::is_sorted(all->blocks.begin(), all->blocks.end(),
                             [](const auto& a, const auto& b) { return a.first < b.first; }));
}

TEST_P(IndexContract, AVisitorsErrorEndsTheWalk) {
  for (std::uint64_t step = 0; step < 3; ++step) apply_ok(sample_batch(step));
  int visits = 0;
  const Status walked = index_->for_each_block([&](const Digest&, const RecordLocation&) -> Status {
    ++visits;
    return Error{.code = ErrorCode::cancelled, .message = "enough"};
  });
  ASSERT_FALSE(walked.ok());
  EXPECT_EQ(walked.error().code, ErrorCode::cancelled);
  EXPECT_EQ(visits, 1);
}

TEST_P(IndexContract, AVisitorMayReadTheIndex) {
  for (std::uint64_t step = 0; step < 3; ++step) apply_ok(sample_batch(step));
  ASSERT_CAIRN_OK(index_->for_each_block([&](const Digest& key, const RecordLocation& at) -> Status {
    CAIRN_TRY(const auto found, index_->find_block(key));
    EXPECT_EQ(found, at);
    return {};
  }));
}

TEST_P(IndexContract, NeitherPositionNorNextSequenceMovesBackwards) {
  IndexBatch batch;
  batch.applied = Position{3, 100};
  batch.next_sequence = 50;
  apply_ok(batch);
  batch.applied = Position{2, 900};
  batch.next_sequence = 20;
  apply_ok(batch);
  EXPECT_EQ(index_->applied(), (Position{3, 100}));
  EXPECT_EQ(index_->next_sequence(), 50u);
}

TEST_P(IndexContract, ApplyingTheSameStepsAgainChangesNothing) {
  for (std::uint64_t step = 0; step < 6; ++step) apply_ok(sample_batch(step));
  auto once = read_everything(*index_);
  for (std::uint64_t step = 0; step < 6; ++step) apply_ok(sample_batch(step));
  auto twice = read_everything(*index_);
  ASSERT_CAIRN_OK(once);
  ASSERT_CAIRN_OK(twice);
  EXPECT_EQ(*once, *twice);
}

TEST_P(IndexContract, ARefIsNoRecord) {
  IndexBatch batch;
  batch.records.push_back({sample_digest(1), sample_location(RecordKind::ref, 1)});
  batch.applied = Position{9, 9};
  const Status applied = index_->apply(batch);
  ASSERT_FALSE(applied.ok());
  EXPECT_EQ(applied.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(index_->applied(), Position{});
}

TEST_P(IndexContract, ACheckpointChangesNothingThatIsRead) {
  for (std::uint64_t step = 0; step < 4; ++step) {
    apply_ok(sample_batch(step));
    auto before = read_everything(*index_);
    ASSERT_CAIRN_OK(index_->checkpoint());
    auto after = read_everything(*index_);
    ASSERT_CAIRN_OK(before);
    ASSERT_CAIRN_OK(after);
    EXPECT_EQ(*before, *after);
  }
  EXPECT_GT(index_->memory_bytes(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Backends, IndexContract,
                         ::testing::Values(Backend::posix, Backend::simulated, Backend::memory, Backend::overlay),
                         [](const auto& param) {
                           switch (param.param) {
                             case Backend::posix: return "posix";
                             case Backend::simulated: return "simulated";
                             case Backend::memory: return "memory";
                             case Backend::overlay: return "overlay";
                           }
                           return "";
                         });

}  // namespace
}  // namespace cairn::testing
