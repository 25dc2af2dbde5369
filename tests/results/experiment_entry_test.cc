// SPDX-License-Identifier: Apache-2.0
//
// Values of experiments and evaluations as hostile bytes.
#include "engine/results/experiment_entry.h"

#include <cmath>

#include "engine/results/evaluation_entry.h"
#include "gtest/gtest.h"

namespace cairn {
namespace {

const ExperimentRecord kExperiment{.number = ExperimentNumber{7},
                                   .status = ExperimentStatus::failed,
                                   .created_ns = -1,
                                   .updated_ns = 2,
                                   .completed_ns = 3,
                                   .optimizer = "adam",
                                   .config = "{}",
                                   .search_space = "[]"};
const ExperimentProgress kProgress{
    .updated_ns = 5,
    .heartbeat_store_ns = 6,
    .tally = {.count = 4, .not_a_number = 1, .infinite = 1, .min = -2, .max = 9, .mean = 0.5, .sum = 3}};
const Evaluation kEvaluation{.architecture = "[1]",
                             .fitness = -0.5,
                             .metrics = {{"a", 1}, {"b", -2}},
                             .generation = 3,
                             .worker = "w",
                             .duration_seconds = 2.5,
                             .recorded_ns = 9};

// A value that is cut off or longer names a field; a later version says so.
template <auto kDecode>
void expect_checked(const std::string& value) {
  EXPECT_TRUE(kDecode(value).ok());
  for (std::size_t size = 0; size < value.size(); ++size) {
    const auto cut = kDecode(std::string_view(value).substr(0, size));
    ASSERT_FALSE(cut.ok()) << size;
    EXPECT_EQ(cut.error().code, ErrorCode::corruption);
    EXPECT_NE(cut.error().message.find("field '"), std::string::npos) << cut.error().message;
  }
  EXPECT_EQ(kDecode(value + '\0').error().code, ErrorCode::corruption);
  std::string other = value;
  other[0] = 2;
  EXPECT_EQ(kDecode(other).error().code, ErrorCode::unsupported);
  other[0] = 0;
  EXPECT_EQ(kDecode(other).error().code, ErrorCode::corruption);
}

TEST(ExperimentEntryTest, ValuesComeBackAndWhatIsCutOffIsNamed) {
  EXPECT_EQ(decode_experiment(encode(kExperiment)).value(), kExperiment);
  EXPECT_EQ(decode_progress(encode(kProgress)).value(), kProgress);
  EXPECT_EQ(decode_generation(encode(kProgress.tally)).value(), kProgress.tally);
  EXPECT_EQ(decode_next_number(encode(ExperimentNumber{8})).value(), ExperimentNumber{8});
  EXPECT_EQ(encode(decode_evaluation(encode(kEvaluation)).value()), encode(kEvaluation));
  expect_checked<&decode_experiment>(encode(kExperiment));
  expect_checked<&decode_progress>(encode(kProgress));
  expect_checked<&decode_generation>(encode(kProgress.tally));
  expect_checked<&decode_next_number>(encode(ExperimentNumber{8}));
  expect_checked<&decode_evaluation>(encode(kEvaluation));
}

TEST(ExperimentEntryTest, FlippedBitsAreRefusedOrReadAsAnotherValue) {
  const std::string value = encode(kEvaluation);
  for (std::size_t i = 0; i < value.size() * 8; ++i) {
    std::string flipped = value;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ 1 << i % 8);
    const auto decoded = decode_evaluation(flipped);
    if (decoded.ok()) {
      EXPECT_EQ(encode(*decoded), flipped) << i;
    }
  }
}

TEST(ExperimentEntryTest, WhatCannotBeIsNamed) {
  const auto message = [](auto result) { return result.ok() ? "" : result.error().message; };
  std::string value = encode(kExperiment);
  value[9] = 9;
  EXPECT_NE(message(decode_experiment(value)).find("'status' at offset 9"), std::string::npos);
  ExperimentProgress more = kProgress;
  more.tally.not_a_number = 5;
  EXPECT_NE(message(decode_progress(encode(more))).find("'not_a_number'"), std::string::npos);
  more.tally = {.count = 2, .not_a_number = 1, .infinite = 2};
  EXPECT_NE(message(decode_progress(encode(more))).find("'infinite'"), std::string::npos);
  std::string twice = encode(Evaluation{.metrics = {{"a", 1}, {"b", 1}}});
  twice[twice.rfind('b')] = 'a';
  EXPECT_NE(message(decode_evaluation(twice)).find("'metric.name'"), std::string::npos);
}

TEST(ExperimentEntryTest, AHashComesBackFromItsKey) {
  const ExperimentNumber number{0x0102030405060708};
  for (const DigestKind kind : {DigestKind::blake3, DigestKind::xxh3_128}) {
    Digest digest;
    for (std::size_t i = 0; i < digest_size(kind); ++i) digest.bytes[i] = static_cast<std::byte>(i * 37);
    const std::string id = to_text(kind, digest);
    for (const std::string& hash : {id, id.substr(1), id + "0", std::string("x")}) {
      EXPECT_EQ(hash_in_key(kind, evaluation_key(number, kind, hash)).value(), hash);
    }
    EXPECT_EQ(evaluation_key(number, kind, id).size(), evaluation_prefix(number).size() + 1 + digest_size(kind));
    EXPECT_FALSE(hash_in_key(kind, evaluation_prefix(number)).ok());
    EXPECT_FALSE(hash_in_key(kind, "v").ok());
  }
}

}  // namespace
}  // namespace cairn
