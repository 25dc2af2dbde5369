// SPDX-License-Identifier: Apache-2.0
//
// Whatever is done to a model file, what parse_model_file() promises of its result holds.
// CAIRN_TEST_SEED replays a run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>

#include "tests/support/model_file_invariants.h"
#include "tests/support/model_file_writer.h"

namespace cairn {
namespace {

namespace gguf = testing::gguf;
namespace onnx = testing::onnx;
namespace pickle = testing::pickle;
using testing::counting_bytes;
using testing::le;

std::map<std::string, std::string> samples() {
  std::map<std::string, std::string> files;
  files["model.safetensors"] = testing::safetensors_file(
      R"({"__metadata__":{"a":"\u00e9"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"c":{"dtype":"I4","shape":[3],"data_offsets":[32,34]}})",
      counting_bytes(34));
  const std::string array =
      testing::npy_file("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n", counting_bytes(24));
  files["array.npy"] = array;
  files["arrays.npz"] = testing::zip_file({{"a.npy", array}, {.name = "b.npy", .data = array, .padding_bytes = 9}});
  files["wide.npz"] = testing::zip_file({{"a.npy", array}, {"b.npy", array}}, {.zip64 = true, .comment = "c"});
  const std::string storage = pickle::storage("FloatStorage", "0", 6);
  files["model.pt"] =
      testing::zip_file({{.name = "m/data.pkl",
                          .data = pickle::stream(pickle::dict(
                              {pickle::text("a"), pickle::tensor(storage, 0, {2, 2}, {2, 1}), pickle::text("b"),
                               "](" + pickle::tensor(storage, 4, {2}, {1}) + "e", pickle::text("c"),
                               pickle::tensor(pickle::storage("HalfStorage", "1", 4), 0, {2, 2}, {1, 2})}))},
                         {.name = "m/data/0", .data = counting_bytes(24), .padding_bytes = 16},
                         {.name = "m/data/1", .data = counting_bytes(8)},
                         {.name = "m/byteorder", .data = "big"}});
  files["model.gguf"] =
      gguf::file(2, 2,
                 gguf::text("s") + le<std::uint32_t>(9) + le<std::uint32_t>(8) + le<std::uint64_t>(2) +
                     gguf::text("x") + gguf::text("yz") + gguf::text("general.alignment") + le<std::uint32_t>(4) +
                     le<std::uint32_t>(32) + gguf::tensor("a", {4, 2}, 0, 0) + gguf::tensor("q", {32}, 2, 32),
                 counting_bytes(50));
  files["model.onnx"] = onnx::model(onnx::initializer("a", 1, {2, 2}, counting_bytes(16)) +
                                    onnx::initializer("b", 10, {3}, counting_bytes(6)));
  return files;
}

void expect_promises_kept(const std::string& file, std::string_view name) {
  // A copy of exactly this size: what reads past the end is then seen by sanitizers.
  const std::vector<char> exact(file.begin(), file.end());
  const MemorySource source(std::as_bytes(std::span<const char>(exact)));
  const auto parsed = parse_model_file(source, name);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  ASSERT_EQ(testing::broken_promise(*parsed, file.size()), "");
}

std::string mutated(std::string file, std::mt19937_64& random) {
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  const std::size_t changes = 1 + below(4);
  for (std::size_t i = 0; i < changes && !file.empty(); ++i) {
    const std::size_t at = below(file.size());
    switch (below(6)) {
      case 0: file[at] = static_cast<char>(random()); break;
      case 1: file[at] = static_cast<char>(file[at] ^ (1 << below(8))); break;
      case 2: file.erase(at, 1 + below(8)); break;
      case 3: file.insert(at, file.substr(below(file.size()), below(40))); break;
      case 4: {
        // Numbers at the edges of their types, where sums overflow.
        constexpr std::uint64_t kEdges[] = {0, 1, 0x7fffffff, 0xffffffff, 1ull << 63, ~0ull, ~0ull - 7, 1ull << 32};
        const std::string edge = le(kEdges[below(std::size(kEdges))]);
        file.replace(at, std::min<std::size_t>(file.size() - at, 1 + below(8)), edge.substr(0, 1 + below(8)));
        break;
      }
      default: file.resize(at); break;
    }
  }
  return file;
}

TEST(MutatedModelFilesTest, TheSamplesThemselvesAreWellFormed) {
  for (const auto& [name, file] : samples()) {
    const MemorySource source(as_bytes(file));
    const auto parsed = parse_model_file(source, name);
    ASSERT_TRUE(parsed.ok());
    EXPECT_NE(parsed->format, ModelFormat::opaque) << name;
    EXPECT_EQ(parsed->note, "") << name;
    EXPECT_FALSE(parsed->tensors.empty()) << name;
  }
}

TEST(MutatedModelFilesTest, PromisesHoldAtEveryTruncation) {
  for (const auto& [name, file] : samples()) {
    SCOPED_TRACE(name);
    for (std::size_t size = 0; size < file.size(); ++size) {
      expect_promises_kept(file.substr(0, size), name);
      if (HasFatalFailure()) FAIL() << "cut to " << size << " bytes";
    }
  }
}

TEST(MutatedModelFilesTest, PromisesHoldForEveryByteSetToItsExtremes) {
  for (const auto& [name, file] : samples()) {
    SCOPED_TRACE(name);
    for (std::size_t at = 0; at < file.size(); ++at) {
      for (const char value : {'\0', '\x7f', '\x80', '\xff', static_cast<char>(file[at] ^ 1)}) {
        std::string changed = file;
        changed[at] = value;
        expect_promises_kept(changed, name);
        if (HasFatalFailure()) FAIL() << "byte " << at << " set to " << int{value};
      }
    }
  }
}

TEST(MutatedModelFilesTest, PromisesHoldForRandomMutations) {
  const char* given = std::getenv("CAIRN_TEST_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 20240229;
  std::printf("CAIRN_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  for (const auto& [name, file] : samples()) {
    SCOPED_TRACE(name);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 4000; ++i) {
      // Half of them under a name that promises nothing.
      expect_promises_kept(mutated(file, random), i % 2 == 0 ? std::string_view(name) : std::string_view());
      if (HasFatalFailure()) FAIL() << "mutation " << i;
    }
  }
}

}  // namespace
}  // namespace cairn
