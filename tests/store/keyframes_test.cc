// SPDX-License-Identifier: Apache-2.0
#include "api/src/keyframes.h"

#include <gtest/gtest.h>

namespace cairn::testing {
namespace {

Digest digest(unsigned number) {
  Digest out;
  out.bytes[0] = static_cast<std::byte>(number);
  out.bytes[1] = static_cast<std::byte>(number >> 8);
  return out;
}

// Versions 1 to `count` of one block, the last of which is the newest.
class KeyframesTest : public ::testing::Test {
 protected:
  void versions(unsigned first, unsigned count) {
    newer_.clear();
    for (unsigned i = first; i < count; ++i) newer_[digest(i)] = digest(i + 1);
    newest_ = {digest(count)};
  }
  // What optimize() would make of it.
  void apply() {
    const Keyframes plan = choose();
    for (const auto* bases : {&plan.in_turn, &plan.of}) {
      for (const auto& [block, base] : *bases) {
        graph_.set(block, {base});
      }
    }
  }
  Keyframes choose() const { return choose_keyframes(newer_, newest_, kept_, graph_); }
  unsigned whole(unsigned first, unsigned count) const {
    unsigned whole = 0;
    for (unsigned i = first; i <= count; ++i) whole += graph_.bases(digest(i)) == nullptr ? 1 : 0;
    return whole;
  }

  DigestMap newer_;
  DigestSet newest_, kept_;
  DeltaGraph graph_;
};

TEST_F(KeyframesTest, EveryNinthStaysWholeForTheEightBeforeIt) {
  versions(1, 20);
  const Keyframes plan = choose();
  EXPECT_EQ(plan.of.size(), 16U);
  for (unsigned i = 1; i <= 8; ++i) EXPECT_EQ(plan.of.at(digest(i)), digest(9));
  for (unsigned i = 10; i <= 17; ++i) EXPECT_EQ(plan.of.at(digest(i)), digest(18));
  EXPECT_EQ(plan.in_turn, (DigestMap{{digest(19), digest(20)}}));
}

TEST_F(KeyframesTest, OneByOneEveryFifthStaysWhole) {
  for (unsigned count = 2; count <= 40; ++count) {
    versions(1, count);
    apply();
    for (unsigned i = 1; i <= count; ++i) EXPECT_LE(graph_.depth(digest(i)), DeltaGraph::kDepthMax);
  }
  EXPECT_EQ(whole(1, 40), 8U);
  for (unsigned i = 1; i <= 35; ++i) EXPECT_LE(graph_.depth(digest(i)), 1U) << i;
  // And stays so.
  const Keyframes plan = choose();
  for (const auto& [block, base] : plan.of) EXPECT_TRUE(graph_.relies(block, base));
  for (const auto& [block, base] : plan.in_turn) EXPECT_TRUE(graph_.relies(block, base));
}

TEST_F(KeyframesTest, WhatWasChosenStaysChosenWhenTheOldestGo) {
  versions(1, 20);
  apply();
  for (unsigned first = 2; first < 15; ++first) {
    graph_.set(digest(first - 1), {});
    versions(first, 20);
    const Keyframes plan = choose();
    for (const auto& [block, base] : plan.of) {
      // What nobody relies on any more may rely on the next.
      const bool alone = block == digest(first) && graph_.bases(block) == nullptr;
      EXPECT_TRUE(alone || graph_.relies(block, base)) << first;
    }
  }
}

TEST_F(KeyframesTest, WhatManyRelyOnStaysWhole) {
  versions(1, 3);
  for (unsigned i = 101; i <= 104; ++i) graph_.add(digest(i), digest(2));  // of another name
  const Keyframes plan = choose();
  EXPECT_FALSE(plan.in_turn.contains(digest(2)));
  EXPECT_EQ(plan.of.at(digest(1)), digest(2));
}

TEST_F(KeyframesTest, WhatIsKeptIsOne) {
  versions(1, 4);
  kept_.insert(digest(2));
  const Keyframes plan = choose();
  EXPECT_EQ(plan.of, (DigestMap{{digest(1), digest(2)}}));
  EXPECT_EQ(plan.in_turn, (DigestMap{{digest(3), digest(4)}}));
}

TEST_F(KeyframesTest, TheNewestOfAnyNameEndsAChain) {
  versions(1, 8);
  newest_.insert(digest(3));
  const Keyframes plan = choose();
  EXPECT_EQ(plan.in_turn.at(digest(2)), digest(3));
  EXPECT_FALSE(plan.in_turn.contains(digest(3)) || plan.of.contains(digest(3)));
}

TEST_F(KeyframesTest, ContentThatComesBackEndsNoWalk) {
  newer_ = {{digest(1), digest(2)}, {digest(2), digest(3)}, {digest(3), digest(1)}};
  const Keyframes plan = choose();
  EXPECT_LE(plan.of.size() + plan.in_turn.size(), 3U);
}

TEST_F(KeyframesTest, TwoThatBecameOneShareTheirKeyframe) {
  versions(1, 20);
  newer_[digest(51)] = digest(52);
  newer_[digest(52)] = digest(3);
  const Keyframes plan = choose();
  EXPECT_TRUE(plan.in_turn.contains(digest(52)) || plan.of.contains(digest(52)));
  EXPECT_TRUE(plan.in_turn.contains(digest(3)) || plan.of.contains(digest(3)) || newer_.contains(digest(3)));
}

}  // namespace
}  // namespace cairn::testing
