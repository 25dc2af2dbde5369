// SPDX-License-Identifier: Apache-2.0
//
// Models that resemble each other, under names of their own: later ones become the difference from the first.
#include <thread>

#include "tests/store/delta_fixture.h"

namespace cairn::testing {
namespace {

class SimilarNamesTest : public DeltaBlocksTest {
 protected:
  // Another model, whose weights are those of a run after `steps`.
  void add_model(Store& store, const std::string& name, std::uint64_t seed, unsigned steps) {
    const std::string model = safetensors_of({{"a", trained(seed, steps)}, {"b", bf16_weights(100, seed)}});
    write_file(inputs_ / (name + "/m.safetensors"), model);
    const auto added = store.archive().add({inputs_ / name}, {.name = name, .force = true});
    ASSERT_TRUE(added.ok()) << added.error().message;
    files_[name + "@" + std::to_string(added->version)] = {{name + "/m.safetensors", model}};
  }
  static bool has_deltas(Store& store, const std::string& ref) {
    const auto shown = store.archive().show(ref);
    EXPECT_TRUE(shown.ok()) << shown.error().message;
    return shown.ok() && shown->codecs.contains("delta");
  }
};

TEST_F(SimilarNamesTest, LaterOnesBecomeTheDifferenceFromTheFirst) {
  Store store = open_store(fs_, kStore);
  add_model(store, "z-base", 7, 0);
  add_model(store, "stranger", 8, 0);
  for (unsigned i = 1; i <= 4; ++i) add_model(store, "tune-" + std::to_string(i), 7, i);
  const OptimizeReport report = optimize(store);
  EXPECT_EQ(report.delta_blocks, 4 * kBlocks);
  EXPECT_FALSE(has_deltas(store, "z-base"));
  EXPECT_FALSE(has_deltas(store, "stranger"));
  const std::vector<Delta> found = [&] {
    close(store);
    return delta_blocks();
  }();
  for (const Delta& delta : found) EXPECT_EQ(depth(found, delta.block), 1u) << "each from what is whole";
  store = open_store(fs_, kStore);
  EXPECT_EQ(wrong_with(store), "");
  EXPECT_EQ(optimize(store).rewritten_blocks, 0u) << "it is as it is to be";

  remove(store, "z-base@1");
  gc(store);
  EXPECT_EQ(wrong_with(store), "") << "what others rely on stays";
  EXPECT_EQ(optimize(store).rewritten_blocks, 0u) << "four rely on it: it is worth its space";
  for (const char* name : {"tune-2@1", "tune-3@1", "tune-4@1"}) remove(store, name);
  optimize(store);
  gc(store);
  EXPECT_EQ(deltas(store), 0u) << "one alone may as well be whole";
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(SimilarNamesTest, OlderVersionsRelyOnTheNewestOfTheirName) {
  Store store = open_store(fs_, kStore);
  add_model(store, "base", 7, 0);
  add_model(store, "tune", 7, 1);
  add_model(store, "tune", 7, 2);
  optimize(store);
  EXPECT_EQ(deltas(store), 2 * kBlocks);
  EXPECT_EQ(wrong_with(store), "");
  // The base goes on too.
  add_model(store, "base", 7, 4);
  optimize(store);
  EXPECT_FALSE(has_deltas(store, "base@2"));
  EXPECT_FALSE(has_deltas(store, "base@1")) << "the newest of another name relies on it";
  EXPECT_EQ(wrong_with(store), "");
  remove(store, "base@1");
  gc(store);
  EXPECT_EQ(wrong_with(store), "");
  optimize(store);
  gc(store);
  EXPECT_TRUE(has_deltas(store, "tune@1")) << "from the newest of its name";
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(SimilarNamesTest, ANameAloneIsComparedWithAll) {
  Store store = open_store(fs_, kStore);
  add_model(store, "base", 7, 0);
  add_model(store, "tune-1", 7, 1);
  add_model(store, "tune-2", 7, 2);
  EXPECT_EQ(optimize(store, {.name = "base"}).delta_blocks, 0u);
  EXPECT_EQ(optimize(store, {.name = "tune-2"}).delta_blocks, kBlocks);
  EXPECT_FALSE(has_deltas(store, "tune-1"));
  EXPECT_TRUE(has_deltas(store, "tune-2"));
  EXPECT_EQ(optimize(store, {.name = "tune-2", .base = OptimizeOptions::Base::none}).rewritten_blocks, kBlocks);
  EXPECT_FALSE(has_deltas(store, "tune-2"));
  EXPECT_EQ(wrong_with(store), "");
}

TEST_F(SimilarNamesTest, WhatCannotBeReadLeadsNobody) {
  {
    Store store = open_store(fs_, kStore);
    add_model(store, "base", 7, 0);
    add_model(store, "tune-1", 7, 1);
    optimize(store);
    close(store);
  }
  const std::vector<Delta> before = delta_blocks();
  ASSERT_EQ(before.size(), kBlocks);
  damage(before[kBlocks / 2].base);
  Store store = open_store(fs_, kStore);
  add_model(store, "tune-2", 7, 2);
  const OptimizeReport report = optimize(store);
  EXPECT_GE(report.damaged.size(), 1u);
  EXPECT_EQ(unreadable(store), (std::set<std::string>{"base@1", "tune-1@1"}));
}

}  // namespace
}  // namespace cairn::testing
