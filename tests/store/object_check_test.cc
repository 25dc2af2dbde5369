// SPDX-License-Identifier: Apache-2.0
//
// check() and stats() know of objects that were put directly: what is damaged or missing is
// told by their ids and names.
#include <algorithm>

#include "engine/log/segment_files.h"
#include "engine/write/block_sink.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

class ObjectCheckTest : public ::testing::Test {
 protected:
  ObjectCheckTest() {
    EXPECT_TRUE(StoreImpl::create(fs_, "store", kSmallStore).ok());
    Store store = open_store(fs_, "store");
    const auto put = [&](Put value) { return store.put(std::move(value)).value(); };
    blob_ = put({.bytes = std::as_bytes(std::span(content_)), .name = "weights"});
    EXPECT_EQ(put({.bytes = std::as_bytes(std::span(content_))}), blob_);
    tensor_ = put({.bytes = std::as_bytes(std::span(content_)),
                   .tensor = TensorLayout{.dtype = DType::u8, .shape = {content_.size()}},
                   .name = "tensor"});
    small_ = put({.bytes = std::as_bytes(std::span(small_content_))});
    EXPECT_TRUE(store.close().ok());
  }

  // Flips a bit of the payload of the first record of this kind.
  void damage(RecordKind kind) {
    const auto impl = StoreImpl::open(fs_, "store", {.access = Access::read_only}, {}).value();
    std::optional<RecordLocation> first;
    const auto visit = [&](const Digest&, const RecordLocation& at) -> Status {
      if (at.kind == kind && at.logical_bytes > small_content_.size() && !first) first = at;
      return {};
    };
    Index& index = impl->index();
    ASSERT_TRUE((kind == RecordKind::block ? index.for_each_block(visit) : index.for_each_object(visit)).ok());
    ASSERT_TRUE(first.has_value());
    ASSERT_TRUE(fs_.flip_bit(segment_path(StoreLayout("store").log(), first->segment), first->offset, 1).ok());
  }

  CheckReport check(bool read_data = true) {
    Store store = open_store(fs_, "store", Access::read_only);
    return store.check({.read_data = read_data}).value();
  }

  SimFileSystem fs_;
  const std::string content_ = random_bytes(200'000, 1);
  const std::string small_content_ = "small";
  std::string blob_, tensor_, small_;
};

TEST_F(ObjectCheckTest, AWholeStoreIsCountedAndClean) {
  const CheckReport report = check();
  EXPECT_TRUE(report.damaged.empty());
  EXPECT_EQ(report.objects_checked, 3u + 2u) << "three that were put, a blob's manifest and a tensor's";
  Store store = open_store(fs_, "store", Access::read_only);
  const StoreStats stats = store.stats().value();
  EXPECT_EQ(stats.objects, 3u);
  EXPECT_EQ(stats.object_bytes, 2 * content_.size() + small_content_.size());
  EXPECT_EQ(stats.logical_bytes, 0u);
}

TEST_F(ObjectCheckTest, ADamagedBlockNamesEveryObjectAndNameThatNeedsIt) {
  damage(RecordKind::block);
  EXPECT_TRUE(check(false).damaged.empty()) << "the content of blocks was not to be read";
  const CheckReport report = check();
  ASSERT_EQ(report.damaged.size(), 1u);
  std::vector<std::string> affected = report.damaged.front().affected;
  std::sort(affected.begin(), affected.end());
  std::vector<std::string> expected{blob_, blob_ + " (weights)", tensor_ + " (tensor)"};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(affected, expected);
}

// Two checkpoints of the same state, beside the objects that hold the same content.
class CheckpointCheckTest : public ObjectCheckTest {
 protected:
  CheckpointCheckTest() {
    Store store = open_store(fs_, "store");
    for (const std::uint64_t generation : {0, 1}) {
      const TensorLayout layout{.dtype = DType::u8, .shape = {content_.size()}};
      std::vector<Put> state{{.bytes = std::as_bytes(std::span(content_)), .tensor = layout, .name = "w"},
                             {.bytes = std::as_bytes(std::span(small_content_)), .name = "part"}};
      EXPECT_TRUE(store.checkpoints("run").save(generation, std::move(state)).committed().wait().ok());
    }
    EXPECT_TRUE(store.close().ok());
  }
  Status load() {
    Store store = open_store(fs_, "store", Access::read_only);
    const auto loaded = store.checkpoints("run").load(1);
    return loaded.ok() ? Status() : Status(loaded.error());
  }
  std::vector<std::string> affected() {
    std::vector<std::string> names;
    for (const Damage& damage : check().damaged) {
      for (const std::string& name : damage.affected) {
        if (name.starts_with("checkpoints/")) names.push_back(name);
      }
    }
    return names;
  }
  using Names = std::vector<std::string>;
};

TEST_F(CheckpointCheckTest, ADamagedBlockNamesEveryCheckpointThatNeedsIt) {
  EXPECT_EQ(affected(), Names{});
  EXPECT_TRUE(load().ok());
  damage(RecordKind::block);
  EXPECT_EQ(affected(), (Names{"checkpoints/run@0:state:w", "checkpoints/run@1:state:w"}));
  EXPECT_EQ(load().error().code, ErrorCode::corruption);
}

TEST_F(CheckpointCheckTest, ADamagedStateNamesEveryCheckpointOfIt) {
  damage(RecordKind::state);
  EXPECT_EQ(affected(), (Names{"checkpoints/run@0:state", "checkpoints/run@1:state"}));
  EXPECT_EQ(load().error().code, ErrorCode::corruption);
}

TEST_F(ObjectCheckTest, ADamagedManifestNamesTheObject) {
  damage(RecordKind::tensor);
  const CheckReport report = check(false);
  ASSERT_EQ(report.damaged.size(), 2u) << "the manifest, and what needs it";
  EXPECT_EQ(report.damaged.back().id, tensor_);
  EXPECT_EQ(report.damaged.back().affected, std::vector{tensor_ + " (tensor)"});
}

TEST_F(ObjectCheckTest, ARootWithoutItsContentIsFound) {
  Digest nowhere{};
  nowhere.bytes[0] = std::byte{1};
  {
    const auto impl = StoreImpl::open(fs_, "store", {}, {}).value();
    const auto writing = impl->begin_writing().value();
    BlockSink sink({.block_bytes = kSmallStore.block_bytes}, impl->index(), *writing.log, impl->parts());
    ASSERT_TRUE(sink.write_roots({Root{.kind = RecordKind::blob, .id = nowhere, .name = "gone", .bytes = 3}}).ok());
    ASSERT_TRUE(sink.write_roots({Root{.kind = RecordKind::tensor, .id = nowhere, .name = "too", .bytes = 3}}).ok());
    ASSERT_TRUE(sink.commit().ok());
  }
  const std::string id = to_text(DigestKind::blake3, nowhere);
  const CheckReport report = check(false);
  ASSERT_EQ(report.damaged.size(), 2u);
  EXPECT_EQ(report.damaged[0].affected, std::vector{id + " (gone)"});
  EXPECT_EQ(report.damaged[1].affected, std::vector{id + " (too)"});
  EXPECT_EQ(report.damaged[0].id, id);
}

}  // namespace
}  // namespace cairn::testing
