// SPDX-License-Identifier: Apache-2.0
//
// Blocks are prepared in any order and appended in one: what is appended first is written
// first, whoever has claimed it.
#include "engine/write/block_sink.h"

#include "engine/content/digester.h"
#include "tests/faults/log_records.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

class BlockSinkTest : public ::testing::Test {
 protected:
  BlockSinkTest() {
    EXPECT_TRUE(StoreImpl::create(fs_, "store", kSmallStore).ok());
    impl_ = StoreImpl::open(fs_, "store", {.threads = 1}, {}).value();
    writing_ = impl_->begin_writing().value();
    sink_.emplace(WriteOptions{.block_bytes = kSmallStore.block_bytes}, impl_->index(), *writing_.log, impl_->parts());
  }
  ~BlockSinkTest() override { writing_ = {}; }

  BlockSink::Block prepare(const std::vector<std::byte>& content) {
    return sink_->prepare(nullptr, content, DType::opaque).value();
  }

  SimFileSystem fs_;
  std::unique_ptr<StoreImpl> impl_;
  StoreImpl::Writing writing_;
  std::optional<BlockSink> sink_;
};

TEST_F(BlockSinkTest, TheFirstInTheLogWritesABlockThatALaterOneHasClaimed) {
  const std::vector<std::byte> content(5000, std::byte{7});
  const BlockSink::Block later = prepare(content), earlier = prepare(content);
  EXPECT_TRUE(later.claimed);
  EXPECT_FALSE(earlier.claimed);
  EXPECT_TRUE(sink_->append(earlier).value());
  ASSERT_TRUE(sink_->commit().ok());
  // What was committed behind the earlier one may rely on the block.
  EXPECT_TRUE(impl_->index().find_block(earlier.digest).value().has_value());
  EXPECT_FALSE(sink_->append(later).value());
  EXPECT_EQ(impl_->blocks().read_block(earlier.digest).value().content.size(), content.size());
}

TEST_F(BlockSinkTest, ADisclaimedBlockIsWrittenByTheNextOne) {
  const std::vector<std::byte> content(5000, std::byte{8});
  sink_->disclaim(prepare(content));
  const BlockSink::Block next = prepare(content);
  EXPECT_TRUE(next.claimed);
  EXPECT_TRUE(sink_->append(next).value());
  ASSERT_TRUE(sink_->commit().ok());
}

TEST_F(BlockSinkTest, ABlockIsWrittenThoughWhoeverHadClaimedItGaveItUp) {
  const std::vector<std::byte> content(5000, std::byte{9});
  const BlockSink::Block first = prepare(content), second = prepare(content);
  EXPECT_FALSE(second.claimed || second.known);
  sink_->disclaim(first);
  EXPECT_TRUE(sink_->append(second).value());
  ASSERT_TRUE(sink_->commit().ok());
  EXPECT_TRUE(impl_->index().find_block(second.digest).value().has_value());
  EXPECT_TRUE(prepare(content).known);
}

// What the log had no room for is nobody's claim.
TEST_F(BlockSinkTest, ABlockOrObjectWithoutRoomIsWrittenByTheNextOne) {
  const std::vector<std::byte> content(5000, std::byte{10}), manifest(300, std::byte{11});
  const Digest id = digest_of(DigestKind::blake3, manifest);
  const BlockSink::Block first = prepare(content), second = prepare(content);
  fs_.set_capacity(0);
  EXPECT_EQ(sink_->append(first).error().code, ErrorCode::no_space);
  EXPECT_EQ(sink_->write_object(RecordKind::tensor, id, manifest).error().code, ErrorCode::no_space);
  ASSERT_TRUE(sink_->commit().ok());
  fs_.set_capacity(1 * GiB);
  EXPECT_TRUE(sink_->append(second).value());
  ASSERT_TRUE(sink_->write_object(RecordKind::tensor, id, manifest).ok());
  ASSERT_TRUE(sink_->commit().ok());
  EXPECT_TRUE(impl_->index().find_block(second.digest).value().has_value());
  EXPECT_TRUE(impl_->index().find_object(RecordKind::tensor, id).value().has_value());
}

TEST_F(BlockSinkTest, RootsAreInTheIndexAfterTheCommitAndAfterAReplay) {
  const Root kept{.kind = RecordKind::blob, .name = "a", .bytes = 3, .attributes = {{"layer", "0"}}};
  Root gone = kept;
  gone.name = "b";
  ASSERT_TRUE(sink_->write_roots({kept, gone}).ok());
  ASSERT_TRUE(sink_->commit().ok());
  EXPECT_EQ(impl_->index().find_roots(kept.id).value(), (std::vector{kept, gone}));
  ASSERT_TRUE(sink_->write_roots({Root{.kind = gone.kind, .id = gone.id, .name = gone.name, .removed = true}}).ok());
  ASSERT_TRUE(sink_->commit().ok());
  sink_.reset();
  writing_ = {};
  ASSERT_TRUE(impl_->close().ok());
  impl_.reset();
  ASSERT_TRUE(StoreImpl::rebuild_index(fs_, "store", {}).ok());
  impl_ = StoreImpl::open(fs_, "store", {.threads = 1}, {}).value();
  EXPECT_EQ(impl_->index().find_roots(kept.id).value(), std::vector{kept});
}

}  // namespace
}  // namespace cairn::testing
