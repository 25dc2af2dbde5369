// SPDX-License-Identifier: Apache-2.0
//
// Archive::similar: what is the same in several places, and what resembles what.
#include "tests/store/delta_fixture.h"

namespace cairn::testing {
namespace {

class SimilarReportTest : public DeltaBlocksTest {
 protected:
  void add(Store& store, const std::string& name, const std::map<std::string, std::string>& tensors) {
    write_file(inputs_ / (name + "/m.safetensors"), safetensors_of({tensors.begin(), tensors.end()}));
    ASSERT_TRUE(store.archive().add({inputs_ / name}, {.name = name, .base = "none"}).ok());
  }
  static SimilarReport report(Store& store, const std::string& name = "") {
    const auto found = store.archive().similar({.name = name});
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() ? *found : SimilarReport{};
  }
};

TEST_F(SimilarReportTest, NamesWhatIsTheSameAndWhatResemblesWhat) {
  Store store = open_store(fs_, kStore);
  add(store, "base", {{"frozen", bf16_weights(70'000, 3)}, {"weights", trained(7, 0)}});
  add(store, "stranger", {{"weights", trained(8, 0)}});
  add(store, "tune", {{"frozen", bf16_weights(70'000, 3)}, {"weights", trained(7, 2)}});
  const SimilarReport found = report(store);
  EXPECT_EQ(found.tensors, 5u);
  EXPECT_EQ(found.bytes, 2 * 140'000u + 3 * 300'000u);
  ASSERT_EQ(found.same.size(), 1u);
  EXPECT_EQ(found.same_bytes, 140'000u);
  ASSERT_EQ(found.same.front().places.size(), 2u);
  EXPECT_EQ(found.same.front().places[0].ref, "base@1");
  EXPECT_EQ(found.same.front().places[1].ref, "tune@1");
  EXPECT_EQ(found.same.front().places[1].name, "frozen");

  ASSERT_EQ(found.similar.size(), 1u);
  const SimilarTensors& one = found.similar.front();
  EXPECT_EQ(one.place.ref, "tune@1");
  EXPECT_EQ(one.place.path, "tune/m.safetensors");
  EXPECT_EQ(one.place.name, "weights");
  EXPECT_EQ(one.like.ref, "base@1");
  EXPECT_EQ(one.id, store.archive().find_tensor("tune", "weights")->id);
  EXPECT_EQ(one.like_id, store.archive().find_tensor("base", "weights")->id);
  EXPECT_EQ(one.bytes, 300'000u);
  // Every twentieth element or so was written over, twice.
  const std::string before = trained(7, 0), after = trained(7, 2);
  std::uint64_t equal = 0;
  for (std::size_t i = 0; i < before.size(); i += 2) equal += before.compare(i, 2, after, i, 2) == 0 ? 1 : 0;
  EXPECT_EQ(one.difference.elements, 150'000u);
  EXPECT_EQ(one.difference.equal, equal);
  EXPECT_LT(one.delta_bytes * 3, one.stored_bytes);
  EXPECT_EQ(found.saved_bytes, one.stored_bytes - one.delta_bytes);

  // And that is what it would save.
  const std::uint64_t stored = store.stats()->stored_bytes;
  EXPECT_EQ(optimize(store).delta_blocks, kBlocks);
  EXPECT_EQ(stored - store.stats()->stored_bytes, found.saved_bytes);
  EXPECT_EQ(report(store).saved_bytes, 0u);
}

TEST_F(SimilarReportTest, ANameIsComparedWithAllOthersAndWithNoOtherVersion) {
  Store store = open_store(fs_, kStore);
  add(store, "base", {{"weights", trained(7, 0)}});
  add(store, "tune", {{"weights", trained(7, 1)}});
  EXPECT_EQ(report(store, "base").similar.front().like.ref, "tune@1") << "whoever came first";
  EXPECT_EQ(report(store, "tune@1").similar.front().like.ref, "base@1");
  add(store, "tune", {{"weights", bf16_weights(150'000, 50)}});
  EXPECT_TRUE(report(store).similar.empty()) << "of the newest";
  EXPECT_EQ(report(store, "tune@1").similar.size(), 1u);
  EXPECT_EQ(store.archive().similar({.name = "nobody"}).error().code, ErrorCode::not_found);
}

TEST_F(SimilarReportTest, WhatIsDamagedIsPassedOver) {
  {
    Store store = open_store(fs_, kStore);
    add(store, "base", {{"weights", trained(7, 0)}});
    add(store, "tune", {{"weights", trained(7, 1)}});
    optimize(store);
    close(store);
  }
  damage(delta_blocks().front().block);
  Store store = open_store(fs_, kStore);
  EXPECT_TRUE(report(store).similar.empty());
}

}  // namespace
}  // namespace cairn::testing
