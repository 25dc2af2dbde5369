// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints one step of Adam apart: blocks of the older are predicted from three of others.
#include <cmath>
#include <map>

#include "engine/index/block_chain.h"
#include "tests/store/delta_fixture.h"

namespace cairn::testing {
namespace {

constexpr std::size_t kElements = 50'000;  // four blocks of 64 KiB

// A run of the optimizer, with gradients drawn at random.
class AdamRun {
 public:
  AdamRun() {
    for (float& weight : weights) weight = static_cast<float>(0.02 * normal_(random_));
    for (int i = 0; i < 30; ++i) step();
  }
  void step() {
    ++steps_;
    const auto rate = static_cast<float>(1e-3 / (1 - std::pow(0.9, steps_)));
    const auto root = static_cast<float>(std::sqrt(1 - std::pow(0.999, steps_)));
    for (std::size_t i = 0; i < kElements; ++i) {
      const auto gradient = static_cast<float>(1e-3 * normal_(random_));
      means[i] += 0.1F * (gradient - means[i]);
      variances[i] = variances[i] * 0.999F + 0.001F * gradient * gradient;
      weights[i] -= rate * means[i] / (std::sqrt(variances[i]) / root + 1e-8F);
    }
  }
  std::map<std::string, std::vector<float>> state() const {
    return {
        {"model.weight", weights}, {"optimizer.state.0.exp_avg", means}, {"optimizer.state.0.exp_avg_sq", variances}};
  }

  std::vector<float> weights = std::vector<float>(kElements), means = weights, variances = weights;

 private:
  std::mt19937_64 random_{11};
  std::normal_distribution<double> normal_;
  int steps_ = 0;
};

using State = std::map<std::string, std::vector<float>>;

class DeltaPredictedTest : public DeltaBlocksTest {
 protected:
  void save(Store& store, std::uint64_t generation, const State& state) {
    std::vector<Put> puts;
    for (const auto& [name, values] : state) {
      puts.push_back({.bytes = std::as_bytes(std::span(values)),
                      .tensor = TensorLayout{.dtype = DType::f32, .shape = {values.size()}},
                      .name = name});
    }
    ASSERT_TRUE(store.checkpoints("run").save(generation, std::move(puts)).committed().wait().ok());
    saved_[generation] = state;
  }
  void expect_whole(Store& store) {
    for (const auto& [generation, state] : saved_) {
      const auto loaded = store.checkpoints("run").load(generation);
      ASSERT_TRUE(loaded.ok()) << loaded.error().message;
      ASSERT_EQ(loaded->size(), state.size());
      for (const auto& value : *loaded) {
        EXPECT_TRUE(std::ranges::equal(value.bytes, std::as_bytes(std::span(state.at(value.info.name)))))
            << value.info.name;
      }
    }
    EXPECT_EQ(wrong_with_counts(store), "");
  }
  // How many others a block is read with, each as often as it is relied on.
  static std::size_t reads(const std::vector<Delta>& deltas, const Digest& block) {
    std::size_t sum = 0;
    for (const Delta& delta : deltas) {
      if (delta.block == block) sum += 1 + reads(deltas, delta.base);
    }
    return sum;
  }

  std::map<std::uint64_t, State> saved_;
};

TEST_F(DeltaPredictedTest, OldWeightsAndVariancesFollowFromThree) {
  AdamRun run;
  {
    Store store = open_store(fs_, kStore);
    save(store, 1, run.state());
    run.step();
    save(store, 2, run.state());
    const auto before = store.stats();
    ASSERT_TRUE(before.ok());
    const OptimizeReport report = optimize(store);
    EXPECT_GE(report.delta_blocks, 8U);
    gc(store);
    expect_whole(store);
    const auto after = store.stats();
    ASSERT_TRUE(after.ok());
    // Of each of the two versions a third is gradients, which nothing foretells; of the other two thirds
    // of the older next to nothing is left.
    EXPECT_LT(after->stored_bytes * 100, before->stored_bytes * 70);
    EXPECT_EQ(optimize(store).rewritten_blocks, 0U);
    close(store);
  }
  const std::vector<Delta> deltas = delta_blocks();
  std::map<Digest, std::size_t> bases;
  for (const Delta& delta : deltas) ++bases[delta.block];
  EXPECT_EQ(std::ranges::count_if(bases, [](const auto& one) { return one.second == 3; }), 8);
  ASSERT_TRUE(Index::destroy(fs_, StoreLayout(kStore).index()).ok());
  Store store = open_store(fs_, kStore);
  expect_whole(store);
}

TEST_F(DeltaPredictedTest, NoBlockIsReadWithMoreThanReadersTake) {
  AdamRun run;
  {
    Store store = open_store(fs_, kStore);
    for (std::uint64_t generation = 1; generation <= 6; ++generation, run.step()) {
      save(store, generation, run.state());
      optimize(store);
    }
    expect_whole(store);
    gc(store);
    expect_whole(store);
    // The middle goes, the oldest, and then all but the newest.
    for (const std::uint64_t generation : {3, 1, 4, 2, 5}) {
      ASSERT_TRUE(store.checkpoints("run").remove(generation).ok());
      saved_.erase(generation);
      gc(store);
      expect_whole(store);
    }
    EXPECT_EQ(deltas(store), 0U);
    for (std::uint64_t generation = 7; generation <= 12; ++generation, run.step()) save(store, generation, run.state());
    optimize(store);
    expect_whole(store);
    close(store);
  }
  const std::vector<Delta> deltas = delta_blocks();
  ASSERT_FALSE(deltas.empty());
  for (const Delta& delta : deltas) EXPECT_LE(reads(deltas, delta.block), kChainBlocksMax);
}

}  // namespace
}  // namespace cairn::testing
