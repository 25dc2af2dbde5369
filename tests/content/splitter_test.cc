// SPDX-License-Identifier: Apache-2.0
//
// Cutting by content: bounds, stability, and the frozen cut points. If the last test here
// fails, every store would store its opaque files a second time.
#include "engine/content/splitter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace cairn {
namespace {

constexpr std::uint32_t kBlock = 64 * 1024;

// Pseudo-random bytes that any language can make again: the high byte of a 64-bit linear
// congruential generator with Knuth's MMIX constants.
std::vector<std::byte> noise(std::size_t size, std::uint64_t state = 1) {
  std::vector<std::byte> bytes(size);
  for (auto& byte : bytes) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

std::vector<std::size_t> lengths(const ContentSplitter& splitter, Bytes bytes) {
  std::vector<std::size_t> result;
  while (!bytes.empty()) {
    const std::size_t length = splitter.cut(bytes);
    EXPECT_GE(length, 1u);
    EXPECT_LE(length, bytes.size());
    if (length == 0 || length > bytes.size()) break;
    result.push_back(length);
    bytes = bytes.subspan(length);
  }
  return result;
}

std::multiset<std::string> blocks(const ContentSplitter& splitter, Bytes bytes) {
  std::multiset<std::string> result;
  for (const std::size_t length : lengths(splitter, bytes)) {
    result.emplace(as_text(bytes.first(length)));
    bytes = bytes.subspan(length);
  }
  return result;
}

std::vector<std::byte> repetitive(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i % 7);
  return bytes;
}

TEST(ContentSplitter, KeepsItsBoundsForEveryKindOfContent) {
  for (const std::uint32_t block : {64u * 1024, 1024u * 1024}) {
    const ContentSplitter splitter(block);
    EXPECT_EQ(splitter.max_bytes(), block);
    for (const auto& bytes : {noise(5'000'000), std::vector<std::byte>(5'000'000), repetitive(5'000'000)}) {
      const auto cuts = lengths(splitter, bytes);
      std::size_t sum = 0;
      for (std::size_t i = 0; i < cuts.size(); ++i) {
        EXPECT_LE(cuts[i], block);
        if (i + 1 < cuts.size()) {
          EXPECT_GE(cuts[i], block / 8);
        }
        sum += cuts[i];
      }
      EXPECT_EQ(sum, bytes.size());  // cuts are consecutive, so this is reassembly
    }
  }
}

TEST(ContentSplitter, CutsShortInputsWhole) {
  const ContentSplitter splitter(kBlock);
  const auto bytes = noise(kBlock / 8);
  EXPECT_EQ(splitter.cut({}), 0u);
  for (const std::size_t size : {1u, 2u, 100u, kBlock / 8}) EXPECT_EQ(splitter.cut(Bytes(bytes).first(size)), size);
}

TEST(ContentSplitter, AveragesHalfABlock) {
  const auto bytes = noise(64 << 20);
  const auto cuts = lengths(ContentSplitter(kBlock), bytes);
  const double average = static_cast<double>(bytes.size()) / static_cast<double>(cuts.size());
  EXPECT_GT(average, 0.47 * kBlock);
  EXPECT_LT(average, 0.53 * kBlock);
  // A cut that only the maximum forces depends on all before it: these must be rare.
  const auto forced = std::count(cuts.begin(), cuts.end(), kBlock);
  EXPECT_LT(static_cast<double>(forced), 0.02 * static_cast<double>(cuts.size()));
}

TEST(ContentSplitter, LooksNoFurtherThanOneBlock) {
  const ContentSplitter splitter(kBlock);
  const auto bytes = noise(10 * kBlock);
  EXPECT_EQ(splitter.cut(Bytes(bytes).first(kBlock)), splitter.cut(bytes));
}

TEST(ContentSplitter, AnInsertionChangesOnlyBlocksAroundIt) {
  const ContentSplitter splitter(kBlock);
  const auto before = noise(100 * kBlock);
  const auto known = blocks(splitter, before);
  for (const std::size_t at : {0u, 12'345u, 50u * kBlock, 99u * kBlock}) {
    auto after = before;
    after.insert(after.begin() + static_cast<std::ptrdiff_t>(at), 37, std::byte{42});
    const auto now = blocks(splitter, after);
    std::vector<std::string> fresh;
    std::set_difference(now.begin(), now.end(), known.begin(), known.end(), std::back_inserter(fresh));
    EXPECT_GE(fresh.size(), 1u);
    EXPECT_LE(fresh.size(), 6u) << "insertion at " << at;
  }
}

TEST(ContentSplitter, CutPointsAreFrozen) {
  EXPECT_EQ(lengths(ContentSplitter(64 * 1024), noise(400'000)),
            (std::vector<std::size_t>{27098, 26690, 34422, 29117, 37523, 32170, 31547, 39150, 11186, 37202, 10026,
                                      30490, 41196, 12183}));
  EXPECT_EQ(lengths(ContentSplitter(1024 * 1024), noise(4'000'000)),
            (std::vector<std::size_t>{1032736, 483752, 238870, 284400, 426322, 453166, 482140, 447705, 150909}));
}

}  // namespace
}  // namespace cairn
