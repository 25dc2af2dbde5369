// SPDX-License-Identifier: Apache-2.0
//
// The golden files in golden/*.hex are the format: they were written from the tables in
// docs/format, not by this code, and do not change within a format version.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/format/examples.h"
#include "tests/support/source_tree.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

fs::path golden_folder() { return testing::source_tree() / "tests/format/golden"; }

// Hexadecimal bytes; "* N" repeats the byte before it to N bytes; '#' starts a comment.
std::vector<std::byte> read_hex(const fs::path& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  std::vector<std::byte> bytes;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) {
      if (word == "*") {
        std::size_t count = 0;
        words >> count;
        bytes.insert(bytes.end(), count - 1, bytes.back());
      } else {
        bytes.push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
      }
    }
  }
  return bytes;
}

TEST(Golden, EncodersWriteTheGoldenBytes) {
  for (const auto& structure : examples::all_structures()) {
    SCOPED_TRACE(structure.name);
    const auto golden = read_hex(golden_folder() / (structure.name + ".hex"));
    ASSERT_EQ(structure.bytes.size(), golden.size());
    const auto differ = std::mismatch(golden.begin(), golden.end(), structure.bytes.begin());
    EXPECT_EQ(differ.first, golden.end()) << "first difference at offset " << differ.first - golden.begin();
  }
}

TEST(Golden, DecodersReadTheGoldenBytes) {
  for (const auto& structure : examples::all_structures()) {
    SCOPED_TRACE(structure.name);
    const auto golden = read_hex(golden_folder() / (structure.name + ".hex"));
    const auto again = structure.recode(golden);
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(*again, golden);
  }
}

TEST(Golden, DecodedValuesAreTheOnesTheFilesDescribe) {
  const auto bytes = [](const char* name) { return read_hex(golden_folder() / (std::string(name) + ".hex")); };
  EXPECT_EQ(decode_blob(bytes("blob")).value(), examples::blob());
  EXPECT_EQ(decode_blob(bytes("blob_empty")).value(), BlobManifest{});
  EXPECT_EQ(decode_tensor(bytes("tensor")).value(), examples::tensor());
  EXPECT_EQ(decode_model(bytes("model")).value(), examples::model());
  EXPECT_EQ(decode_tree(bytes("tree")).value(), examples::tree());
  EXPECT_EQ(decode_tree(bytes("tree_state")).value(), examples::tree_state());
  EXPECT_EQ(decode_state_manifest(bytes("state")).value(), examples::state());
  EXPECT_EQ(decode_delta(bytes("delta")).value(), examples::delta());
  EXPECT_EQ(decode_delta(bytes("delta_whole")).value(), examples::delta_whole());
  EXPECT_EQ(decode_delta(bytes("delta_steps")).value(), examples::delta_steps());
  EXPECT_EQ(decode_delta(bytes("delta_axis")).value(), examples::delta_axis());
  EXPECT_EQ(decode_snapshot(bytes("snapshot")).value(), examples::snapshot());
  EXPECT_EQ(decode_ref(bytes("ref")).value(), examples::ref());
  EXPECT_EQ(decode_ref(bytes("ref_removed")).value(), examples::ref_removed());
  EXPECT_EQ(decode_reclaimed(bytes("reclaimed")).value(), examples::reclaimed());
  EXPECT_EQ(decode_table(bytes("segment_table")).value(), examples::records());
  EXPECT_EQ(decode_group_head(bytes("group_head")).value().records, examples::records());
}

TEST(Golden, EveryGoldenFileIsTested) {
  std::set<std::string> tested, found;
  for (const auto& structure : examples::all_structures()) tested.insert(structure.name + ".hex");
  for (const auto& file : fs::directory_iterator(golden_folder())) found.insert(file.path().filename());
  EXPECT_EQ(tested, found);
}

}  // namespace
}  // namespace cairn
