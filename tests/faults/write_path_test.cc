// SPDX-License-Identifier: Apache-2.0
//
// Sources that fail while they are read, and manifests that lie: neither leaves a hole in
// what comes after, and neither comes back as content.
#include <thread>

#include "engine/content/digester.h"
#include "tests/faults/log_records.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/store_scenario.h"

namespace cairn::testing {
namespace {

constexpr char kStore[] = "store";
const Progress kNoProgress;

// Reads well but for its first block, which fails when the others have been read.
class FailingSource final : public ByteSource {
 public:
  explicit FailingSource(Bytes bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Status read_at(std::uint64_t offset, MutableBytes into) const override {
    if (offset == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      return Error{.code = ErrorCode::io, .message = "planned"};
    }
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return {};
  }

 private:
  const Bytes bytes_;
};

class WritePathTest : public ::testing::Test {
 protected:
  WritePathTest() {
    EXPECT_TRUE(StoreImpl::create(fs_, kStore, kSmallStore).ok());
    impl_ = StoreImpl::open(fs_, kStore, {.threads = 2}, {}).value();
    writing_ = impl_->begin_writing().value();
    path_.emplace(WriteOptions{.digest = DigestKind::blake3, .block_bytes = kSmallStore.block_bytes}, impl_->index(),
                  *writing_.log, impl_->parts(), impl_->pool(), impl_->readers());
  }
  ~WritePathTest() override { writing_ = {}; }

  // One tensor of u8 and nothing else.
  static ModelFile one_tensor(std::uint64_t bytes) {
    ModelFile model;
    model.format = ModelFormat::safetensors;
    model.tensors.push_back(
        TensorRegion{.name = "t", .dtype = DType::u8, .shape = {bytes}, .offset = 0, .length = bytes});
    return model;
  }

  // Makes name@1 of one file, whatever the entry says.
  void publish(const std::string& name, const TreeEntry& entry) {
    const TreeManifest tree{.entries = {entry}};
    const auto tree_bytes = encode(tree);
    const SnapshotManifest snapshot{.tree = tree_id(DigestKind::blake3, tree_bytes), .files = 1};
    const auto snapshot_bytes = encode(snapshot);
    const Digest id = snapshot_id(DigestKind::blake3, snapshot_bytes);
    ASSERT_TRUE(path_->sink().write_object(RecordKind::tree, snapshot.tree, tree_bytes).ok());
    ASSERT_TRUE(path_->sink().write_object(RecordKind::snapshot, id, snapshot_bytes).ok());
    ASSERT_TRUE(path_->sink().write_ref(RefRecord{.name = name, .version = 1, .snapshot = id}).ok());
    ASSERT_TRUE(path_->sink().commit().ok());
  }
  Store store() {
    path_.reset();
    writing_ = {};
    return StoreImpl::handle(std::move(impl_));
  }

  SimFileSystem fs_;
  std::unique_ptr<StoreImpl> impl_;
  StoreImpl::Writing writing_;
  std::optional<WritePath> path_;
};

TEST_F(WritePathTest, BlocksOfASourceThatFailedAreWrittenForTheNextOne) {
  const std::string content = random_bytes(8 * kSmallStore.block_bytes, 1);
  ProgressMeter meter(kNoProgress, "add", content.size());
  const auto failed = path_->write_file(FailingSource(as_bytes(content)), one_tensor(content.size()), meter);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().message, "planned");
  const auto written = path_->write_file(MemorySource(as_bytes(content)), one_tensor(content.size()), meter);
  ASSERT_TRUE(written.ok()) << written.error().message;
  publish("name", {.path = "file", .bytes = content.size(), .blob = written->blob, .is_model = true, .tensors = 1});
  Store whole = store();
  expect_whole(whole);
  const auto files = read_version(whole, "name@1");
  ASSERT_TRUE(files.ok()) << files.error().message;
  EXPECT_TRUE(files->at("file") == content);
}

TEST_F(WritePathTest, ABlockIsWrittenOnceHoweverOftenItComes) {
  const std::string block = random_bytes(kSmallStore.block_bytes, 2);
  std::string content;
  for (int i = 0; i < 10; ++i) content += block;
  ProgressMeter meter(kNoProgress, "add", content.size());
  for (int i = 0; i < 2; ++i) {
    const auto written = path_->write_file(MemorySource(as_bytes(content)), one_tensor(content.size()), meter);
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  EXPECT_EQ(path_->sink().counters().new_blocks, 1u);
  EXPECT_EQ(path_->sink().counters().known_blocks, 19u);
  ASSERT_TRUE(path_->sink().commit().ok());
  EXPECT_EQ(wrong_in_log(fs_, kStore, 0, Objects::once), "");
}

// Every checksum is right, every block is what it says, and the whole is not.
TEST_F(WritePathTest, AManifestThatLiesIsNotRestored) {
  const std::string one = random_bytes(50'000, 3), two = random_bytes(50'000, 4);
  ProgressMeter meter(kNoProgress, "add", 100'000);
  std::vector<BlockRef> blocks;
  for (const std::string* part : {&two, &one}) {
    const auto model = one_tensor(part->size());
    ASSERT_TRUE(path_->write_file(MemorySource(as_bytes(*part)), model, meter).ok());
    blocks.push_back({digest_of(DigestKind::blake3, as_bytes(*part)), static_cast<std::uint32_t>(part->size())});
  }
  const Digest id = digest_of(DigestKind::blake3, as_bytes(one + two));
  const auto lie = encode(BlobManifest{.total_bytes = 100'000, .blocks = blocks});
  ASSERT_TRUE(path_->sink().write_object(RecordKind::blob, id, lie).ok());
  publish("name", {.path = "file", .bytes = 100'000, .blob = id});
  Store lying = store();
  const ScratchFolder out;
  const auto restored = lying.archive().restore("name", {.to = out / "out", .only = {}});
  ASSERT_TRUE(restored.ok()) << restored.error().message;
  EXPECT_EQ(restored->damaged, 1u);
  EXPECT_FALSE(std::filesystem::exists(out / "out/file"));
}

}  // namespace
}  // namespace cairn::testing
