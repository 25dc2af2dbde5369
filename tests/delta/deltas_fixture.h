// SPDX-License-Identifier: Apache-2.0
//
// A store on a simulated disk, with pairs of tensors to store deltas of.
#pragma once

#include "engine/log/segment_files.h"
#include "tests/delta/delta_content.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/sim_file_system.h"

namespace cairn::testing {

class DeltasTest : public ::testing::Test {
 protected:
  DeltasTest() : store_(make()) {}

  Store make() {
    EXPECT_TRUE(StoreImpl::create(fs_, "store", kSmallStore).ok());
    return open_store(fs_, "store");
  }
  void reopen() {
    ASSERT_TRUE(store_.close().ok());
    store_ = open_store(fs_, "store");
  }

  static TensorBytes tensor(const Content& content, DType dtype, std::vector<std::uint64_t> shape) {
    return {.bytes = content, .layout = {.dtype = dtype, .shape = std::move(shape)}};
  }
  // bf16, so that the first dimension follows.
  static TensorBytes weights(const Content& content) { return tensor(content, DType::bf16, {content.size() / 2}); }

  std::string put(const TensorBytes& tensor, const std::string& name = {}) {
    return store_.put({.bytes = tensor.bytes, .tensor = tensor.layout, .name = name}).value();
  }
  CheckReport check() { return store_.check({.read_data = true}).value(); }
  void expect_clean() {
    const CheckReport report = check();
    EXPECT_TRUE(report.damaged.empty()) << report.damaged.front().what;
  }
  // What the log holds that something needs, after everything else was given back.
  std::uint64_t live_bytes() {
    EXPECT_TRUE(store_.gc({.max_dead = 0}).ok());
    const StoreStats stats = store_.stats().value();
    EXPECT_EQ(stats.dead_bytes, 0u);
    return stats.stored_bytes;
  }
  // Flips a bit in the payload of a block, by its digest's text, or of an object.
  void damage(RecordKind kind, const std::string& id) {
    ASSERT_TRUE(store_.close().ok());
    {
      const auto impl = StoreImpl::open(fs_, "store", {.access = Access::read_only}, {}).value();
      const Digest digest = parse_digest(DigestKind::blake3, id).value();
      const auto at = kind == RecordKind::block ? impl->index().find_block(digest).value()
                                                : impl->index().find_object(kind, digest).value();
      ASSERT_TRUE(at.has_value());
      ASSERT_TRUE(fs_.flip_bit(segment_path(StoreLayout("store").log(), at->segment), at->offset, 1).ok());
    }
    store_ = open_store(fs_, "store");
  }

  SimFileSystem fs_;
  const Pair pair_ = pairs(DType::bf16, 300'000, 11).front();
  Store store_;
};

}  // namespace cairn::testing
