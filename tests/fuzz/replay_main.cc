// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz target over the files named on the command line, or all files of a folder,
// and over short cuts of each. Exit status 0 means that nothing crashed.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(const std::filesystem::path& path, std::size_t& inputs) {
  std::ifstream in(path, std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  LLVMFuzzerTestOneInput(data, bytes.size());
  // Truncations find what reads past the end: the copy puts the end where sanitizers look.
  const std::size_t step = bytes.size() / 64 + 1;
  for (std::size_t cut = 0; cut < bytes.size(); cut += step) {
    const std::vector<std::uint8_t> part(data, data + cut);
    LLVMFuzzerTestOneInput(part.data(), part.size());
  }
  ++inputs;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t inputs = 0;
  for (int i = 1; i < argc; ++i) {
    const std::filesystem::path path = argv[i];
    if (std::filesystem::is_directory(path)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
        if (entry.is_regular_file()) run(entry.path(), inputs);
      }
    } else if (std::filesystem::exists(path)) {
      run(path, inputs);
    }
  }
  std::printf("%zu inputs\n", inputs);
  if (inputs == 0) {
    std::fprintf(stderr, "no inputs: a corpus that is empty tests nothing\n");
    return 1;
  }
  return 0;
}
