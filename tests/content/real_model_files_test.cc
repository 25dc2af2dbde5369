// SPDX-License-Identifier: Apache-2.0
//
// Files made by NumPy and PyTorch themselves, against what the script that made them says
// is inside (make_model_files.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <vector>

#include <sys/wait.h>

#include "engine/content/model_file.h"
#include "tests/support/scratch_folder.h"
#include "tests/support/source_tree.h"

namespace cairn {
namespace {

constexpr int kToolsMissing = 77;

struct ExpectedFile {
  std::string format;
  std::vector<std::string> tensors;  // lines of the script, in no order
};

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// A region the way the script prints it.
std::string line_of(const TensorRegion& region, std::string_view file) {
  std::ostringstream out;
  out << region.name << ' ' << dtype_name(region.dtype) << ' ' << int{region.attribute} << ' ';
  if (region.shape.empty()) out << '-';
  for (std::size_t i = 0; i < region.shape.size(); ++i) out << (i == 0 ? "" : "x") << region.shape[i];
  out << ' ';
  if (region.length == 0) out << '-';
  for (const char byte : file.substr(region.offset, region.length)) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out << kHex[static_cast<unsigned char>(byte) >> 4] << kHex[static_cast<unsigned char>(byte) & 15];
  }
  return out.str();
}

TEST(RealModelFilesTest, EveryTensorThatTheToolsWroteIsFound) {
  const testing::ScratchFolder folder;
  const std::string manifest = folder / "manifest.txt";
  const std::string reason = folder / "reason.txt";
  const std::string script = testing::source_tree() / "tests/content/make_model_files.py";
  const std::string command =
      "/usr/bin/python3 '" + script + "' '" + folder.path().string() + "' > '" + manifest + "' 2> '" + reason + "'";
  const int status = std::system(command.c_str());
  if (WIFEXITED(status) && (WEXITSTATUS(status) == kToolsMissing || WEXITSTATUS(status) == 127)) {
    GTEST_SKIP() << "/usr/bin/python3 cannot make the files: " << read_file(reason);
  }
  ASSERT_EQ(status, 0) << read_file(reason);

  std::map<std::string, ExpectedFile> expected;
  ExpectedFile* current = nullptr;
  std::ifstream lines(manifest);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "file") {
      std::string name;
      words >> name;
      current = &expected[name];
      words >> current->format;
    } else {
      ASSERT_NE(current, nullptr);
      current->tensors.push_back(line.substr(word.size() + 1));
    }
  }
  ASSERT_GE(expected.size(), 20u);

  for (auto& [name, file] : expected) {
    SCOPED_TRACE(name);
    const std::string bytes = read_file(folder / name);
    const MemorySource source(as_bytes(bytes));
    const auto parsed = parse_model_file(source, name);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(model_format_name(parsed->format), file.format) << parsed->note;
    std::vector<std::string> found;
    for (const TensorRegion& region : parsed->tensors) found.push_back(line_of(region, bytes));
    std::sort(found.begin(), found.end());
    std::sort(file.tensors.begin(), file.tensors.end());
    EXPECT_EQ(found, file.tensors);
    // What is left out is said; where all is well there is nothing to say.
    const bool whole = !file.tensors.empty();
    EXPECT_EQ(parsed->note.empty(), whole) << parsed->note;
  }
}

}  // namespace
}  // namespace cairn
