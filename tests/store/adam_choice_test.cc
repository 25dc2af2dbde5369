// SPDX-License-Identifier: Apache-2.0
#include "api/src/adam_choice.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

Digest digest(unsigned number) {
  Digest digest{};
  digest.bytes[0] = static_cast<std::byte>(number);
  digest.bytes[1] = static_cast<std::byte>(number >> 8);
  return digest;
}

// Two blocks each, numbered from `first` on.
VersionTensor tensor(std::string name, unsigned first, std::vector<std::uint64_t> shape = {512, 1024}) {
  return {std::move(name), DType::f32, std::move(shape), {digest(first), digest(first + 1)}};
}

using Bases = std::vector<Digest>;

void expect_one_parameter(const std::string& weight, const std::string& mean, const std::string& variance) {
  PredictingBases bases;
  add_adam_bases({tensor(weight, 10), tensor(mean, 20), tensor(variance, 30)},
                 {tensor(weight, 110), tensor(mean, 120), tensor(variance, 130)}, bases);
  EXPECT_EQ(bases.size(), 4U) << weight << " " << mean;
  EXPECT_EQ(bases[digest(10)].bases, (Bases{digest(110), digest(120), digest(130)}));
  EXPECT_EQ(bases[digest(11)].bases, (Bases{digest(111), digest(121), digest(131)}));
  EXPECT_EQ(bases[digest(30)].bases, (Bases{digest(130), digest(20), digest(120)}));
  EXPECT_EQ(bases[digest(31)].bases, (Bases{digest(131), digest(21), digest(121)}));
  EXPECT_EQ(bases[digest(30)].of_its_version, 1U);
  EXPECT_EQ(bases[digest(10)].of_its_version, PredictedFrom::kNone);
}

TEST(AdamChoice, FindsMomentsByTheirNames) {
  expect_one_parameter("layer.0.weight", "layer.0.weight.exp_avg", "layer.0.weight.exp_avg_sq");
  expect_one_parameter("layer.0.weight", "exp_avg.layer.0.weight", "exp_avg_sq.layer.0.weight");
  expect_one_parameter("params/dense/kernel", "mu/params/dense/kernel", "nu/params/dense/kernel");
  expect_one_parameter("w.dense", "m.dense", "v.dense");
  // Numbered as PyTorch's optimizers number parameters: by their order.
  expect_one_parameter("model.weight", "optimizer.state.0.exp_avg", "optimizer.state.0.exp_avg_sq");
}

TEST(AdamChoice, TakesWeightsOfOneShapeInTheirOrder) {
  const auto version = [](unsigned from) {
    return std::vector{tensor("a", from),
                       tensor("tall", from + 2, {1024, 512}),
                       tensor("b", from + 4),
                       tensor("0.exp_avg", from + 6),
                       tensor("0.exp_avg_sq", from + 8),
                       tensor("1.exp_avg", from + 10),
                       tensor("1.exp_avg_sq", from + 12)};
  };
  PredictingBases bases;
  add_adam_bases(version(0), version(100), bases);
  EXPECT_EQ(bases[digest(0)].bases, (Bases{digest(100), digest(106), digest(108)}));
  EXPECT_EQ(bases[digest(4)].bases, (Bases{digest(104), digest(110), digest(112)}));
  EXPECT_EQ(bases.count(digest(2)), 0U);
}

// A tensor that is called like a moment and has no other is a weight like any.
TEST(AdamChoice, TakesNoWordForAMoment) {
  PredictingBases bases;
  const auto version = [](unsigned from) {
    return std::vector{tensor("attention.q", from),   tensor("attention.v", from + 2),
                       tensor("0.exp_avg", from + 4), tensor("0.exp_avg_sq", from + 6),
                       tensor("1.exp_avg", from + 8), tensor("1.exp_avg_sq", from + 10)};
  };
  add_adam_bases(version(0), version(100), bases);
  EXPECT_EQ(bases[digest(2)].bases, (Bases{digest(102), digest(108), digest(110)}));
}

TEST(AdamChoice, LeavesAloneWhatIsIncomplete) {
  PredictingBases bases;
  const auto w = tensor("w", 10), m = tensor("w.exp_avg", 20), v = tensor("w.exp_avg_sq", 30);
  const auto w1 = tensor("w", 110), m1 = tensor("w.exp_avg", 120), v1 = tensor("w.exp_avg_sq", 130);
  add_adam_bases({w, m}, {w1, m1, v1}, bases);
  add_adam_bases({w, v}, {w1, m1, v1}, bases);
  add_adam_bases({w, m, v}, {w1, m1}, bases);
  add_adam_bases({w, m, v}, {w1, m1, tensor("w.exp_avg_sq", 130, {1024, 512})}, bases);
  VersionTensor cut = m1;
  cut.blocks.pop_back();
  add_adam_bases({w, m, v}, {w1, cut, v1}, bases);
  VersionTensor half = v1;
  half.dtype = DType::bf16;
  add_adam_bases({w, m, v}, {w1, m1, half}, bases);
  // Words that are no words of their own.
  add_adam_bases({w, tensor("w.my_exp_avg", 20), tensor("w.my_exp_avg_sq", 30)},
                 {w1, tensor("w.my_exp_avg", 120), tensor("w.my_exp_avg_sq", 130)}, bases);
  EXPECT_TRUE(bases.empty());
  // No weight: the variance alone.
  add_adam_bases({m, v}, {m1, v1}, bases);
  EXPECT_EQ(bases.size(), 2U);
}

}  // namespace
}  // namespace cairn
