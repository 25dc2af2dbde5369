// SPDX-License-Identifier: Apache-2.0
//
// A store with small blocks and a small budget, for tests of values that are put directly.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "cairn/store.h"
#include "engine/content/digester.h"
#include "tests/support/scratch_folder.h"

namespace cairn::testing {

inline std::vector<std::byte> random_bytes(std::size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

inline std::string blob_id(Bytes bytes) { return to_text(DigestKind::blake3, digest_of(DigestKind::blake3, bytes)); }

class ObjectsTest : public ::testing::Test {
 protected:
  ObjectsTest() : store_(open({.mode = OpenMode::create})) {}

  Store open(StoreOptions options) {
    options.create.block_bytes = 64 * 1024;
    options.writer.budget_bytes = 16 << 20;
    auto opened = Store::open(folder_.path().string() + "/store", options);
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return std::move(opened).value();
  }
  void reopen() {
    ASSERT_TRUE(store_.close().ok());
    store_ = open({});
  }

  ScratchFolder folder_;
  Store store_;
};

}  // namespace cairn::testing
