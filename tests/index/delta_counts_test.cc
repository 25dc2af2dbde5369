// SPDX-License-Identifier: Apache-2.0
//
// Delta blocks count their bases as objects do their parts, and are forgotten before them.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/index/index_samples.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

// What each record refers to, by its checksum.
class KnownParts final : public ObjectParts {
 public:
  std::map<std::uint64_t, std::vector<Reference>> of;
  std::uint64_t asked = 0;
  Result<std::optional<std::vector<Reference>>> parts_of(const Digest&, const RecordLocation& at) override {
    ++asked;
    const auto found = of.find(at.checksum);
    return found == of.end() ? std::optional<std::vector<Reference>>() : std::optional(found->second);
  }
};

class DeltaCountsTest : public ::testing::Test {
 protected:
  DeltaCountsTest() { reopen(); }
  void reopen() {
    index_.reset();
    index_ = Index::open(fs_, "index", Index::Access::read_write).value();
  }

  static Digest block(std::uint64_t number) { return sample_digest(number); }
  RecordLocation place(std::uint8_t codec) {
    ++sequence_;
    return {.codec = codec,
            .segment = 1,
            .offset = 4096 * sequence_,
            .stored_bytes = 100,
            .logical_bytes = 1000,
            .checksum = sequence_,
            .sequence = sequence_};
  }
  IndexBatch::Put whole(std::uint64_t number) { return {block(number), place(0)}; }
  IndexBatch::Put delta(std::uint64_t number, std::vector<std::uint64_t> bases) {
    IndexBatch::Put put{block(number), place(kDeltaCodec)};
    auto& parts = parts_.of[put.at.checksum];
    for (const std::uint64_t base : bases) parts.push_back({RecordKind::block, block(base)});
    return put;
  }
  Placed<Root> root(std::uint64_t number, bool removed = false) {
    return Placed<Root>(Root{.kind = RecordKind::blob, .id = block(number), .removed = removed}, {1, ++sequence_});
  }
  void apply(std::vector<IndexBatch::Put> records, std::vector<Placed<Root>> roots = {},
             std::vector<Reference> dropped = {}) {
    IndexBatch batch;
    batch.records = std::move(records);
    batch.roots = std::move(roots);
    batch.dropped = std::move(dropped);
    batch.parts = &parts_;
    ASSERT_CAIRN_OK(index_->apply(batch));
  }
  std::uint64_t count(std::uint64_t number) { return index_->references(RecordKind::block, block(number)).value(); }
  std::vector<std::uint64_t> dead() {
    std::vector<std::uint64_t> out;
    const auto found = index_->dead_objects().value();
    for (std::uint64_t number = 0; number < 20; ++number) {
      if (std::ranges::find(found, Reference{RecordKind::block, block(number)}) != found.end()) out.push_back(number);
    }
    EXPECT_EQ(out.size(), found.size());
    return out;
  }
  using Numbers = std::vector<std::uint64_t>;

  SimFileSystem fs_;
  std::unique_ptr<Index> index_;
  KnownParts parts_;
  std::uint64_t sequence_ = 0;
};

TEST_F(DeltaCountsTest, AChainLivesAndDiesFromItsEnd) {
  apply({whole(1), delta(2, {1}), delta(3, {2})});
  EXPECT_EQ(dead(), (Numbers{2, 3})) << "what is whole stays known until its segment goes";
  apply({}, {root(3)});
  EXPECT_EQ((Numbers{count(1), count(2), count(3)}), (Numbers{1, 1, 1}));
  EXPECT_EQ(dead(), Numbers{});
  EXPECT_EQ(index_->segment_uses()->at(1).dead_bytes(), 0u);
  apply({}, {root(3, true)});
  EXPECT_EQ((Numbers{count(1), count(2), count(3)}), (Numbers{0, 0, 0}));
  EXPECT_EQ(dead(), (Numbers{2, 3}));
}

TEST_F(DeltaCountsTest, ABaseIsCountedOnceForEachThatRelies) {
  apply({delta(2, {1}), delta(3, {1}), delta(4, {1, 1, 5})}, {root(2), root(3), root(4), root(1)});
  EXPECT_EQ(count(1), 5u) << "before its record comes, too";
  EXPECT_FALSE(index_->find_block(block(1)).value());
  apply({whole(1), whole(5)}, {root(2, true), root(4, true)});
  EXPECT_EQ(count(1), 2u);
  EXPECT_EQ(count(5), 0u);
}

TEST_F(DeltaCountsTest, AReplacedRecordTakesItsBasesWithIt) {
  apply({whole(1), whole(2), whole(3)}, {root(3)});
  apply({delta(3, {1})});
  EXPECT_EQ((Numbers{count(1), count(2)}), (Numbers{1, 0}));
  apply({delta(3, {2})});
  EXPECT_EQ((Numbers{count(1), count(2)}), (Numbers{0, 1}));
  apply({whole(3)});
  EXPECT_EQ((Numbers{count(1), count(2)}), (Numbers{0, 0}));
  EXPECT_EQ(dead(), Numbers{});
  // An earlier one that comes again changes nothing.
  IndexBatch::Put old{block(3), place(kDeltaCodec)};
  old.at.sequence = 2;
  parts_.of[old.at.checksum] = {{RecordKind::block, block(1)}};
  apply({old});
  EXPECT_EQ(count(1), 0u);
}

TEST_F(DeltaCountsTest, ACarriedRecordIsNotCountedAgain) {
  const IndexBatch::Put record = delta(2, {1});
  apply({whole(1), record}, {root(2)});
  IndexBatch::Put carried = record;
  carried.at.segment = 2;
  parts_.asked = 0;
  apply({carried});
  EXPECT_EQ(count(1), 1u);
  EXPECT_EQ(parts_.asked, 0u);
}

TEST_F(DeltaCountsTest, WhatDiedAndIsWholeNowIsNotForgotten) {
  apply({whole(1), delta(2, {1})});
  EXPECT_EQ(dead(), (Numbers{2}));
  apply({whole(2)});
  EXPECT_EQ(dead(), Numbers{});
  apply({delta(2, {1})});
  EXPECT_EQ(dead(), (Numbers{2}));
  apply({}, {root(2)});
  EXPECT_EQ(dead(), Numbers{});
}

TEST_F(DeltaCountsTest, WhatIsDroppedIsGoneAndItsBaseKeepsItsCount) {
  apply({whole(1), delta(2, {1}), delta(3, {1})}, {root(3)});
  apply({}, {}, {{RecordKind::block, block(2)}});
  EXPECT_EQ(dead(), Numbers{});
  EXPECT_FALSE(index_->find_block(block(2)).value());
  EXPECT_EQ(count(1), 1u);
  IndexBatch live;
  live.parts = &parts_;
  live.dropped = {{RecordKind::block, block(3)}};
  EXPECT_EQ(index_->apply(live).error().code, ErrorCode::corruption);
}

TEST_F(DeltaCountsTest, OneWhoseHeadIsDamagedLeavesCountsInDoubtUntilItIsReplaced) {
  const IndexBatch::Put record = delta(2, {1});
  parts_.of.clear();
  apply({whole(1), record}, {root(2)});
  EXPECT_TRUE(index_->find_block(block(2)).value()->quarantined);
  EXPECT_TRUE(index_->doubt().value());
  EXPECT_EQ(index_->quarantined(), 1u);
  apply({whole(2)});
  EXPECT_FALSE(index_->doubt().value());
  EXPECT_EQ(index_->quarantined(), 0u);
  EXPECT_EQ(count(1), 0u);
}

TEST_F(DeltaCountsTest, SurvivesACheckpoint) {
  apply({whole(1), delta(2, {1}), delta(3, {1})}, {root(3)});
  ASSERT_CAIRN_OK(index_->checkpoint());
  reopen();
  EXPECT_EQ(count(1), 1u);
  EXPECT_EQ(dead(), (Numbers{2}));
}

}  // namespace
}  // namespace cairn::testing
