// SPDX-License-Identifier: Apache-2.0
//
// What of a bucket can be read is found, also where the copies of two stores rely on each other.
#include "replication/live_content.h"

#include <gtest/gtest.h>

#include <string>

#include "api/src/mirror_formats.h"
#include "tests/support/memory_storage.h"

namespace cairn::testing {
namespace {

using mirror::ContentId;
using mirror::Pack;

class LiveContentTest : public ::testing::Test {
 protected:
  Digest digest(const std::string& of) { return formats_.digest_of(std::as_bytes(std::span(of))); }
  ContentId block(const std::string& name) { return {mirror::kBlock, digest(name)}; }

  struct Copy {
    std::string of;
    std::string base = {};  // empty: none
  };
  // A pack of blocks without payloads, in an index of its own whose key sorts behind `after`; that key.
  std::string put(const std::vector<Copy>& copies, const std::string& after = {}) {
    Pack pack{.name = digest("pack" + std::to_string(++packs_)), .bytes = 64, .records = {}};
    for (const Copy& copy : copies) {
      pack.records.push_back({.id = block(copy.of), .codec = copy.base.empty() ? std::uint8_t{0} : std::uint8_t{8}});
      if (!copy.base.empty()) pack.records.back().bases = {digest(copy.base)};
    }
    listed_.push_back({.key = pack_key(formats_, pack.name), .bytes = pack.bytes});
    for (int salt = 0;; ++salt) {
      const Digest salted = digest(std::to_string(salt));
      const auto bytes = mirror::encode_index({pack}, salted.bytes);
      const std::string key = index_key(formats_, formats_.digest_of(bytes));
      if (key <= after) continue;
      EXPECT_TRUE(mirror::put_whole(bucket_, key, bytes).ok());
      return key;
    }
  }
  // Of these blocks and all that they rely on, those that cannot be decoded.
  std::size_t not_whole(const std::vector<ContentId>& wanted) {
    mirror::PackIndex index;
    EXPECT_TRUE(index.refresh(bucket_, formats_, 1, {}, mirror::PackIndex::Wanted::all).ok());
    mirror::LiveContent live(bucket_, formats_, index, listed_, {}, [] { return Status(); });
    EXPECT_TRUE(live.follow(wanted).ok());
    EXPECT_TRUE(live.break_circles().ok());
    return live.not_whole().size();
  }

  MemoryStorage bucket_;
  const MirrorFormats formats_{DigestKind::blake3};
  std::vector<ObjectStorage::Listed> listed_;
  int packs_ = 0;
};

TEST_F(LiveContentTest, CopiesThatRelyOnEachOtherAreTakenFromWhereTheyCanBeDecoded) {
  // One store has each version as the difference from the one before, another from the one behind; what is found
  // first of v2 and v3 are the two that rely on each other.
  const std::string third = put({{"v3", "v2"}});
  const std::string second = put({{"v2", "v3"}});
  put({{"v1"}, {"v2", "v1"}}, std::max(second, third));
  put({{"v4"}, {"v3", "v4"}}, std::max(second, third));
  EXPECT_EQ(not_whole({block("v2"), block("v3")}), 0u);
}

TEST_F(LiveContentTest, APlainCopyEndsACircle) {
  const std::string second = put({{"v2", "v3"}});
  const std::string third = put({{"v3", "v2"}});
  put({{"v3"}}, std::max(second, third));
  EXPECT_EQ(not_whole({block("v2")}), 0u);
}

TEST_F(LiveContentTest, ACircleWithoutAWayOutIsTold) {
  put({{"v2", "v3"}});
  put({{"v3", "v2"}});
  EXPECT_EQ(not_whole({block("v2")}), 2u);
}

}  // namespace
}  // namespace cairn::testing
