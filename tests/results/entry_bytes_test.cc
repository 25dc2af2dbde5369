// SPDX-License-Identifier: Apache-2.0
//
// The bytes of keys and values (docs/format/entries.md), as every version has to read them.
#include <string>

#include "engine/results/evaluation_entry.h"
#include "engine/results/operation_entry.h"
#include "gtest/gtest.h"

namespace cairn {
namespace {

std::string hex(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kHex[static_cast<unsigned char>(c) >> 4];
    text += kHex[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

constexpr ExperimentNumber kNumber{7};
const Evaluation kEvaluation{.architecture = "[1]",
                             .fitness = -0.5,
                             .metrics = {{"a", 1}, {"b", -2}},
                             .generation = 3,
                             .worker = "w",
                             .duration_seconds = 2.5,
                             .recorded_ns = 9};

TEST(EntryBytesTest, ValuesOfExperimentsAreAsTheyWere) {
  EXPECT_EQ(hex(encode(ExperimentRecord{.number = kNumber,
                                        .status = ExperimentStatus::failed,
                                        .created_ns = -1,
                                        .updated_ns = 2,
                                        .completed_ns = 3,
                                        .optimizer = "adam",
                                        .config = "{}",
                                        .search_space = "[]"})),
            "01"
            "0700000000000000"
            "03"
            "ffffffffffffffff"
            "0200000000000000"
            "010300000000000000"
            "04000000"
            "6164616d"
            "020000007b7d"
            "020000005b5d");
  const FitnessTally tally{.count = 4, .not_a_number = 1, .infinite = 1, .min = -2, .max = 9, .mean = 0.5, .sum = 3};
  const std::string sums =
      "0400000000000000"
      "0100000000000000"
      "0100000000000000"
      "00000000000000c0"
      "0000000000002240"
      "000000000000e03f"
      "0000000000000840";
  EXPECT_EQ(hex(encode(tally)), "01" + sums);
  EXPECT_EQ(hex(encode(ExperimentProgress{.updated_ns = 5, .heartbeat_store_ns = 6, .tally = tally})),
            "01"
            "0500000000000000"
            "0600000000000000" +
                sums);
  EXPECT_EQ(hex(encode(ExperimentNumber{8})), "010800000000000000");
  EXPECT_EQ(hex(encode(kEvaluation)),
            "01"
            "000000000000e0bf"
            "0300000000000000"
            "0000000000000440"
            "0900000000000000"
            "0100000077"
            "030000005b315d"
            "02000000"
            "0100000061000000000000f03f"
            "010000006200000000000000c0");
}

TEST(EntryBytesTest, KeysOfExperimentsAreAsTheyWere) {
  EXPECT_EQ(hex(experiment_key("nas")), "786e61730000");
  EXPECT_EQ(hex(experiment_status_key(ExperimentStatus::running, "nas")), "7800000000000000016e61730000");
  EXPECT_EQ(hex(next_number_key()), "76");
  EXPECT_EQ(hex(progress_key(kNumber)), "76000000000000000770");
  EXPECT_EQ(hex(generation_key(kNumber, 258)), "760000000000000007670000000000000102");
  EXPECT_EQ(hex(evaluation_key(kNumber, DigestKind::blake3, "x")),
            "7600000000000000076502"
            "78");
  EXPECT_EQ(hex(evaluation_key(kNumber, DigestKind::xxh3_128, "xxh3-128:ab" + std::string(30, '0'))),
            "7600000000000000076501ab" + std::string(30, '0'));
  std::vector<std::string> index_keys;
  for (const std::string& key : evaluation_index_keys(kNumber, kEvaluation, 5)) index_keys.push_back(hex(key));
  EXPECT_EQ(index_keys, (std::vector<std::string>{"76000000000000000766"
                                                  "401fffffffffffff"
                                                  "0000000000000005",
                                                  "7600000000000000076e"
                                                  "0000000000000003"
                                                  "401fffffffffffff"
                                                  "0000000000000005",
                                                  "76000000000000000777"
                                                  "770000"
                                                  "401fffffffffffff"
                                                  "0000000000000005",
                                                  "7600000000000000076d"
                                                  "610000"
                                                  "bff0000000000000"
                                                  "0000000000000005",
                                                  "7600000000000000076d"
                                                  "620000"
                                                  "3fffffffffffffff"
                                                  "0000000000000005"}));
}

TEST(EntryBytesTest, OperationsAreAsTheyWere) {
  OperationRecord record{.state = OperationState::running, .owner = {1, 2}, .attempts = 3, .claimed_ns = 4};
  const std::string owner_and_times =
      "01000000000000000200000000000000"
      "0300000000000000"
      "0400000000000000";
  EXPECT_EQ(hex(encode(record)), "0101" + owner_and_times + "0000000000000000");
  record.finished_ns = 5;
  record.state = OperationState::failed;
  record.message = "why";
  EXPECT_EQ(hex(encode(record)), "0103" + owner_and_times +
                                     "0500000000000000"
                                     "03000000776879");
  record.state = OperationState::done;
  record.serializer = "json";
  record.bytes = "{}";
  EXPECT_EQ(hex(encode(record)), "0102" + owner_and_times +
                                     "0500000000000000"
                                     "040000006a736f6e"
                                     "020000007b7d");
  EXPECT_EQ(hex(operation_key("k")), "6f6b");
  EXPECT_EQ(hex(operation_state_key(OperationState::done, "k")), "6f00000000000000026b");
}

}  // namespace
}  // namespace cairn
