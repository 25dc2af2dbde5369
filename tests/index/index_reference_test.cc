// SPDX-License-Identifier: Apache-2.0
//
// Random batches, checkpoints and reopenings against a model that fits on a page: the
// index of a writer, of its reopenings, and of a read-only opener that applies the tail.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "engine/index/index.h"
#include "tests/index/index_samples.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {
namespace {

const char kPath[] = "index";

struct Model {
  std::map<Digest, RecordLocation> blocks;
  std::map<std::pair<RecordKind, Digest>, RecordLocation> objects;
  std::map<std::pair<std::string, std::uint64_t>, RefRecord> refs;
  std::map<std::string, SeenFile> seen;
  Position applied;
  std::uint64_t next_sequence = 0;

  void apply(const IndexBatch& batch) {
    for (const auto& [key, at] : batch.records) {
      RecordLocation& here = at.kind == RecordKind::block ? blocks[key] : objects[{at.kind, key}];
      if (here.sequence <= at.sequence) here = at;
    }
    for (const RefRecord& ref : batch.refs) {
      refs.erase({ref.name, ref.version});
      if (!ref.removed) refs[{ref.name, ref.version}] = ref;
    }
    for (const auto& [path, file] : batch.seen) seen[path] = file;
    if (batch.applied) applied = std::max(applied, *batch.applied);
    next_sequence = std::max(next_sequence, batch.next_sequence);
  }

  Everything everything() const {
    Everything all;
    all.applied = applied;
    all.next_sequence = next_sequence;
    for (const auto& [key, at] : blocks) all.blocks.emplace_back(key, at);
    for (const auto& [key, at] : objects) all.objects.emplace_back(key.second, at);
    for (const auto& [key, ref] : refs) all.refs.push_back(ref);
    return all;
  }
};

class RandomBatches {
 public:
  explicit RandomBatches(std::uint64_t seed) : random_(seed) {}
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  IndexBatch next() {
    static const char* const kNames[] = {"a", "ab", "a/b", "b", "llama"};
    IndexBatch batch;
    for (std::uint64_t i = below(20); i > 0; --i) {
      // Mostly new sequences, sometimes one from before, as a replay or a carried record.
      const std::uint64_t sequence = below(4) == 0 ? 1 + below(sequence_ + 1) : ++sequence_;
      const auto kind = static_cast<RecordKind>(1 + below(6));
      batch.records.push_back({sample_digest(below(150)), sample_location(kind, sequence)});
    }
    for (std::uint64_t i = below(4); i > 0; --i) {
      const std::string name = kNames[below(std::size(kNames))];
      const std::uint64_t version = 1 + below(300);
      batch.refs.push_back(below(3) == 0 ? removed_ref(name, version) : sample_ref(name, version));
    }
    if (below(3) == 0) batch.seen.emplace_back("/data/" + std::to_string(below(30)), sample_seen(below(1000)));
    batch.applied = Position{1, ++offset_};
    batch.next_sequence = sequence_ + 1;
    return batch;
  }

 private:
  std::mt19937_64 random_;
  std::uint64_t sequence_ = 0;
  std::uint64_t offset_ = 0;
};

void expect_equal(Index& index, const Model& model) {
  const auto same = holds_exactly(index, model.everything());
  ASSERT_CAIRN_OK(same);
  ASSERT_TRUE(*same);
  for (int i = 0; i < 30; ++i) {
    const std::string path = "/data/" + std::to_string(i);
    const auto found = index.find_seen(path);
    ASSERT_CAIRN_OK(found);
    const auto wanted = model.seen.find(path);
    ASSERT_EQ(*found, wanted == model.seen.end() ? std::nullopt : std::optional(wanted->second)) << path;
  }
  for (const char* name : {"a", "ab", "a/b", "b", "llama", "none"}) {
    std::optional<RefRecord> wanted;
    for (const auto& [key, ref] : model.refs) {
      if (key.first == name) wanted = ref;
    }
    const auto latest = index.latest_ref(name);
    ASSERT_CAIRN_OK(latest);
    ASSERT_EQ(*latest, wanted) << name;
  }
}

void run_against_model(std::uint64_t seed, int operations) {
  SCOPED_TRACE("CAIRN_TEST_SEED=" + std::to_string(seed));
  RandomBatches batches(seed);
  SimFileSystem fs;
  Model now, durable;
  std::vector<IndexBatch> tail;  // applied since the last checkpoint
  auto writer = std::move(*Index::open(fs, kPath, Index::Access::read_write));
  for (int i = 0; i < operations; ++i) {
    SCOPED_TRACE("operation " + std::to_string(i));
    const std::uint64_t dice = batches.below(100);
    if (dice < 80) {
      tail.push_back(batches.next());
      ASSERT_CAIRN_OK(writer->apply(tail.back()));
      now.apply(tail.back());
    } else if (dice < 90) {
      ASSERT_CAIRN_OK(writer->checkpoint());
      durable = now;
      tail.clear();
    } else if (dice < 94) {
      // A reader beside the writer sees the checkpoint, and with the tail what the writer sees.
      auto reader = Index::open(fs, kPath, Index::Access::read_only);
      ASSERT_CAIRN_OK(reader);
      ASSERT_NO_FATAL_FAILURE(expect_equal(**reader, durable));
      for (const IndexBatch& batch : tail) ASSERT_CAIRN_OK((*reader)->apply(batch));
      ASSERT_CAIRN_OK((*reader)->checkpoint());
      ASSERT_NO_FATAL_FAILURE(expect_equal(**reader, now));
    } else if (dice < 97) {
      ASSERT_NO_FATAL_FAILURE(expect_equal(*writer, now));
    } else {
      // A crash, or a close without a checkpoint: the log brings the tail again.
      writer.reset();
      auto again = Index::open(fs, kPath, Index::Access::read_write);
      ASSERT_CAIRN_OK(again);
      writer = std::move(*again);
      ASSERT_NO_FATAL_FAILURE(expect_equal(*writer, durable));
      for (const IndexBatch& batch : tail) ASSERT_CAIRN_OK(writer->apply(batch));
      ASSERT_NO_FATAL_FAILURE(expect_equal(*writer, now));
    }
  }
}

TEST(IndexReference, RandomOperationsAgreeWithTheModel) {
  const std::uint64_t first = test_seed(20);
  for (std::uint64_t seed = first; seed < first + (long_scale() ? 80 : 4); ++seed) {
    ASSERT_NO_FATAL_FAILURE(run_against_model(seed, 500));
  }
}

}  // namespace
}  // namespace cairn::testing
