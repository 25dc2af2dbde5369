// SPDX-License-Identifier: Apache-2.0
//
// Every byte flipped and every truncation of every structure. Headers must notice by their
// checksum; manifests, whose records carry the checksum, must refuse or stay canonical.
#include <gtest/gtest.h>

#include "tests/format/examples.h"

namespace cairn {
namespace {

// Calls `check(damaged, at)` for every value that each byte can be flipped to by one bit,
// and for all its bits at once.
template <class Check>
void for_each_flip(const std::vector<std::byte>& bytes, Check check) {
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const unsigned flip : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u, 255u}) {
      auto damaged = bytes;
      damaged[at] ^= static_cast<std::byte>(flip);
      check(damaged, at);
      if (testing::Test::HasFailure()) return;
    }
  }
}

void expect_named_corruption(const Error& error) {
  EXPECT_EQ(error.code, ErrorCode::corruption) << error.message;
  EXPECT_NE(error.message.find("field '"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("at offset "), std::string::npos) << error.message;
}

TEST(Damage, AnyFlipInAHeaderIsCorruption) {
  for (const auto& structure : examples::sealed_structures()) {
    SCOPED_TRACE(structure.name);
    for_each_flip(structure.bytes, [&](const auto& damaged, std::size_t at) {
      const auto result = structure.recode(damaged);
      ASSERT_FALSE(result.ok()) << "flip at " << at << " went unnoticed";
      expect_named_corruption(result.error());
    });
  }
}

TEST(Damage, AnyFlipInATableChangesItsChecksum) {
  const auto table = examples::table_bytes();
  for_each_flip(table, [&](const auto& damaged, std::size_t at) {
    EXPECT_NE(checksum_of(damaged), checksum_of(table)) << at;
    const auto again = examples::table_structure().recode(damaged);
    if (again.ok()) {
      EXPECT_EQ(*again, damaged) << at;
    }
  });
}

TEST(Damage, AFlippedManifestIsRefusedOrCanonical) {
  for (const auto& structure : examples::manifests()) {
    SCOPED_TRACE(structure.name);
    std::size_t refused = 0;
    for_each_flip(structure.bytes, [&](const auto& damaged, std::size_t at) {
      const auto again = structure.recode(damaged);
      if (again.ok()) {
        EXPECT_EQ(*again, damaged) << "flip at " << at;
        return;
      }
      ++refused;
      if (again.error().code != ErrorCode::unsupported) expect_named_corruption(again.error());
    });
    // Kind and version at least are always checked.
    EXPECT_GE(refused, 18u);
  }
}

TEST(Damage, EveryTruncationAndEveryAddedByteIsRefused) {
  for (const auto& structure : examples::all_structures()) {
    SCOPED_TRACE(structure.name);
    for (std::size_t size = 0; size < structure.bytes.size(); ++size) {
      // A copy of exactly this size, so that a sanitizer sees a read past it.
      const std::vector<std::byte> part(structure.bytes.begin(),
                                        structure.bytes.begin() + static_cast<std::ptrdiff_t>(size));
      const auto result = structure.recode(part);
      if (structure.name == "segment_table" && size % RecordDescriptor::kSize == 0) {
        EXPECT_TRUE(result.ok());  // a table may have any number of entries: the footer says how many
        continue;
      }
      ASSERT_FALSE(result.ok()) << size;
      expect_named_corruption(result.error());
    }
    if (structure.bytes.size() == kPageBytes) continue;  // pages are read as pages
    auto longer = structure.bytes;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(structure.recode(longer).ok());
  }
}

TEST(Damage, APreallocatedTailIsNothing) {
  const std::vector<std::byte> zeros(kPageBytes);
  for (const auto& structure : examples::all_structures()) {
    SCOPED_TRACE(structure.name);
    EXPECT_FALSE(structure.recode(Bytes(zeros).first(std::min(zeros.size(), structure.bytes.size()))).ok());
  }
}

}  // namespace
}  // namespace cairn
