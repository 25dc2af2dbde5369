// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/model_file_invariants.h"
#include "tests/support/model_file_writer.h"

namespace cairn {
namespace {

using testing::counting_bytes;
using testing::le;
using testing::safetensors_file;

ModelFile parse(const std::string& file, std::string_view name = "model.safetensors") {
  const MemorySource source(as_bytes(file));
  auto parsed = parse_model_file(source, name);
  EXPECT_TRUE(parsed.ok());
  EXPECT_EQ(testing::broken_promise(*parsed, file.size()), "");
  return std::move(parsed).value();
}

// The names of the tensors that were found, in the order of the file.
std::string names(const ModelFile& file) {
  std::string out;
  for (const TensorRegion& region : file.tensors) out += (out.empty() ? "" : " ") + region.name;
  return out;
}

std::string entry(std::string_view name, std::string_view dtype, std::string_view shape, std::string_view range) {
  return "\"" + std::string(name) + R"(":{"dtype":")" + std::string(dtype) + R"(","shape":)" + std::string(shape) +
         R"(,"data_offsets":)" + std::string(range) + "}";
}

TEST(SafetensorsTest, FindsEveryTensorWithItsTypeShapeAndPlace) {
  const std::string header = R"({"__metadata__":{"format":"pt","nested":"{}"},)" +
                             entry("b", "BF16", "[2,3]", "[4,16]") + "," + entry("a", "F32", "[]", "[0,4]") + "}   ";
  const ModelFile file = parse(safetensors_file(header, counting_bytes(16)));
  ASSERT_EQ(file.format, ModelFormat::safetensors);
  EXPECT_EQ(file.note, "");
  ASSERT_EQ(names(file), "a b");
  EXPECT_EQ(file.tensors[0].dtype, DType::f32);
  EXPECT_TRUE(file.tensors[0].shape.empty());
  EXPECT_EQ(file.tensors[0].offset, 8 + header.size());
  EXPECT_EQ(file.tensors[1].dtype, DType::bf16);
  EXPECT_EQ(file.tensors[1].shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(file.tensors[1].offset, 8 + header.size() + 4);
  EXPECT_EQ(file.tensors[1].length, 12u);
}

TEST(SafetensorsTest, KnowsEveryElementType) {
  struct Case {
    std::string_view name;
    DType dtype;
    std::uint64_t bytes;  // of 8 elements
  };
  for (const Case& c : {Case{"BOOL", DType::boolean, 8},
                        {"U8", DType::u8, 8},
                        {"I8", DType::i8, 8},
                        {"U16", DType::u16, 16},
                        {"I16", DType::i16, 16},
                        {"U32", DType::u32, 32},
                        {"I32", DType::i32, 32},
                        {"U64", DType::u64, 64},
                        {"I64", DType::i64, 64},
                        {"F16", DType::f16, 16},
                        {"BF16", DType::bf16, 16},
                        {"F32", DType::f32, 32},
                        {"F64", DType::f64, 64},
                        {"F8_E4M3", DType::f8_e4m3, 8},
                        {"F8_E5M2", DType::f8_e5m2, 8},
                        {"F8_E8M0", DType::f8_e8m0, 8},
                        {"F8_E4M3FNUZ", DType::f8_e4m3fnuz, 8},
                        {"F8_E5M2FNUZ", DType::f8_e5m2fnuz, 8},
                        {"C64", DType::complex64, 64},
                        {"F4", DType::f4_e2m1, 4},
                        {"F6_E2M3", DType::f6_e2m3, 6},
                        {"F6_E3M2", DType::f6_e3m2, 6},
                        {"I4", DType::i4, 4},
                        {"NEW9", DType::opaque, 9}}) {
    SCOPED_TRACE(c.name);
    const std::string range = "[0," + std::to_string(c.bytes) + "]";
    const ModelFile file =
        parse(safetensors_file("{" + entry("t", c.name, "[2,4]", range) + "}", counting_bytes(c.bytes)));
    ASSERT_EQ(file.tensors.size(), 1u) << file.note;
    EXPECT_EQ(file.tensors[0].dtype, c.dtype);
    EXPECT_EQ(file.tensors[0].length, c.bytes);
  }
}

TEST(SafetensorsTest, TensorsWithoutElementsAreKept) {
  const std::string header = "{" + entry("none", "F32", "[0,9223372036854775808,4]", "[0,0]") + "," +
                             entry("some", "U8", "[4]", "[0,4]") + "," + entry("inside", "F32", "[0]", "[2,2]") + "}";
  const ModelFile file = parse(safetensors_file(header, counting_bytes(4)));
  EXPECT_EQ(file.note, "");
  ASSERT_EQ(file.tensors.size(), 3u);
  for (const TensorRegion& region : file.tensors) EXPECT_EQ(region.length, region.name == "some" ? 4u : 0u);
}

TEST(SafetensorsTest, KeysMayHoldEscapes) {
  const ModelFile file =
      parse(safetensors_file("{" + entry(R"(a\"\u00e9\ud83d\ude00\n)", "U8", "[1]", "[0,1]") + "}", "x"));
  ASSERT_EQ(file.tensors.size(), 1u);
  EXPECT_EQ(file.tensors[0].name, "a\"\xc3\xa9\xf0\x9f\x98\x80\n");
}

TEST(SafetensorsTest, ATensorThatIsNotSoundStaysInTheSkeleton) {
  for (const std::string& bad : {
           entry("bad", "F32", "[1]", "[4,9]"),   // one byte too many
           entry("bad", "F32", "[1]", "[6,10]"),  // outside
           entry("bad", "F32", "[1]", "[8,4]"),   // backwards
           entry("bad", "F32", "[1]", "[18446744073709551612,18446744073709551615]"),
           entry("bad", "F32", "[4294967296,4294967296,2]", "[4,8]"),  // overflows
           entry("bad", "F32", "[-1]", "[4,8]"),
           entry("bad", "F32", "[1.0]", "[4,8]"),
           entry("bad", "F32", "[1]", "[4]"),
           entry("bad", "F32", "[1]", "[4,8,8]"),
           entry("bad", "F32", "[99999999999999999999]", "[4,8]"),
           std::string(R"("bad":{"dtype":"F32","shape":[1]})"),
           std::string(R"("bad":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[4,8]})"),
           std::string(R"("bad":[])"),
           std::string(R"("bad":null)"),
       }) {
    SCOPED_TRACE(bad);
    const ModelFile file =
        parse(safetensors_file("{" + bad + "," + entry("good", "F32", "[1]", "[0,4]") + "}", counting_bytes(8)));
    EXPECT_EQ(file.format, ModelFormat::safetensors);
    EXPECT_EQ(names(file), "good");
    EXPECT_NE(file.note.find("'bad'"), std::string::npos) << file.note;
  }
}

TEST(SafetensorsTest, OfTensorsThatOverlapTheFirstIsKept) {
  const std::string header = "{" + entry("late", "U8", "[4]", "[2,6]") + "," + entry("early", "U8", "[4]", "[0,4]") +
                             "," + entry("same", "U8", "[4]", "[0,4]") + "}";
  const ModelFile file = parse(safetensors_file(header, counting_bytes(8)));
  EXPECT_EQ(names(file), "early");
  EXPECT_EQ(file.note, "tensor 'late' overlaps another");
}

TEST(SafetensorsTest, HolesAndTrailingBytesAreSkeleton) {
  const std::string header = "{" + entry("a", "U8", "[2]", "[1,3]") + "," + entry("b", "U8", "[2]", "[5,7]") + "}";
  const ModelFile file = parse(safetensors_file(header, counting_bytes(20)));
  EXPECT_EQ(names(file), "a b");
  EXPECT_EQ(file.note, "");
}

TEST(SafetensorsTest, AHeaderThatIsNoJsonMakesTheFileOpaque) {
  const std::string deep(100000, '[');
  for (const std::string& header :
       {std::string("{\"a\":"), std::string("{\"a\" 1}"), std::string("{\"a\":01}"), std::string("{\"a\":tru}"),
        std::string("{\"a\":1,}"), std::string("{\"\\ud800\":1}"), std::string("{\"\\ud800\\u0041\":1}"),
        std::string("{\"a\nb\":1}"), "{\"a\":" + deep, "{\"a\":{\"b\":" + deep + "}}",
        "{\"" + std::string(100000, 'k') + "\":1}"}) {
    SCOPED_TRACE(header.substr(0, 40));
    const ModelFile file = parse(safetensors_file(header, ""));
    EXPECT_EQ(file.format, ModelFormat::opaque);
    EXPECT_NE(file.note, "");
  }
}

TEST(SafetensorsTest, ALengthThatCannotBeMakesTheFileOpaque) {
  for (const std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{11}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    const std::string file = le(length) + "{}        ";
    EXPECT_EQ(parse(file).format, ModelFormat::opaque) << length;
    EXPECT_NE(parse(file).note, "") << "the name promises a model";
    EXPECT_EQ(parse(file, "notes.txt").note, "") << "nobody promised a model";
  }
}

TEST(SafetensorsTest, TheContentCountsAndNotTheName) {
  const std::string file = safetensors_file("{" + entry("a", "U8", "[2]", "[0,2]") + "}", "xy");
  for (const std::string_view name : {"", "a.txt", "a.gguf", "a.npz", "a.onnx", "a.pt"}) {
    EXPECT_EQ(parse(file, name).format, ModelFormat::safetensors) << name;
  }
}

TEST(SafetensorsTest, MillionsOfTinyTensorsAreGivenUpQuickly) {
  std::string header = "{";
  for (int i = 0; i < 1'000'000; ++i) header += entry(std::to_string(i), "U8", "[1]", "[0,1]") + ",";
  header.back() = '}';
  const ModelFile file = parse(safetensors_file(header, "x"));
  EXPECT_EQ(file.format, ModelFormat::opaque);
  EXPECT_NE(file.note.find("MiB"), std::string::npos) << file.note;
}

TEST(SafetensorsTest, ASourceThatCannotBeReadIsAnError) {
  class Failing final : public ByteSource {
   public:
    std::uint64_t size() const override { return 1 << 20; }
    Status read_at(std::uint64_t, MutableBytes) const override { return Error{.code = ErrorCode::io, .message = "no"}; }
  };
  const auto parsed = parse_model_file(Failing(), "model.safetensors");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().code, ErrorCode::io);
}

}  // namespace
}  // namespace cairn
