// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/support/model_file_invariants.h"
#include "tests/support/model_file_writer.h"

namespace cairn {
namespace {

namespace gguf = testing::gguf;
namespace onnx = testing::onnx;
using testing::counting_bytes;
using testing::le;

ModelFile parse(const std::string& file, std::string_view name) {
  const MemorySource source(as_bytes(file));
  auto parsed = parse_model_file(source, name);
  EXPECT_TRUE(parsed.ok());
  EXPECT_EQ(testing::broken_promise(*parsed, file.size()), "");
  return std::move(parsed).value();
}

TEST(GgufTest, ShapesAreTurnedToRowMajorOrder) {
  const ModelFile file = parse(gguf::file(1, 0, gguf::tensor("w", {4, 3, 2}, 1, 0), counting_bytes(48)), "w.gguf");
  ASSERT_EQ(file.tensors.size(), 1u) << file.note;
  EXPECT_EQ(file.tensors[0].dtype, DType::f16);
  EXPECT_EQ(file.tensors[0].shape, (std::vector<std::uint64_t>{2, 3, 4}));
  EXPECT_EQ(file.tensors[0].length, 48u);
}

TEST(GgufTest, QuantisedTensorsKeepTheirTypeAsAttribute) {
  const ModelFile file = parse(gguf::file(1, 0, gguf::tensor("w", {64, 2}, 8, 32), counting_bytes(32 + 136)), "");
  ASSERT_EQ(file.tensors.size(), 1u) << file.note;
  EXPECT_EQ(file.tensors[0].dtype, DType::ggml);
  EXPECT_EQ(file.tensors[0].attribute, 8);
  EXPECT_EQ(file.tensors[0].length, 136u);
}

TEST(GgufTest, WhatIsNotSoundStaysInTheSkeleton) {
  for (const std::string& bad :
       {gguf::tensor("bad", {4}, 1000, 0), gguf::tensor("bad", {33}, 8, 0), gguf::tensor("bad", {4}, 0, 1 << 20),
        gguf::tensor("bad", {4}, 0, ~std::uint64_t{0}), gguf::tensor("bad", {~std::uint64_t{0}, 8}, 0, 0)}) {
    const ModelFile file = parse(gguf::file(2, 0, bad + gguf::tensor("good", {4}, 24, 0), counting_bytes(64)), "");
    ASSERT_EQ(file.tensors.size(), 1u) << file.note;
    EXPECT_EQ(file.tensors[0].name, "good");
    EXPECT_NE(file.note.find("'bad'"), std::string::npos);
  }
}

TEST(GgufTest, CountsAndLengthsThatLieMakeTheFileOpaque) {
  const std::string key = gguf::text("k");
  const std::uint64_t huge = std::uint64_t{1} << 63;
  for (const std::string& file :
       {gguf::file(huge, 0, "", ""), gguf::file(0, huge, "", ""), gguf::file(1, 0, le(huge) + "name", ""),
        gguf::file(0, 1, key + le<std::uint32_t>(9) + le<std::uint32_t>(10) + le(huge), ""),
        gguf::file(0, 1, key + le<std::uint32_t>(9) + le<std::uint32_t>(8) + le(huge), ""),
        gguf::file(0, 1, key + le<std::uint32_t>(13), ""),
        gguf::file(0, 1, gguf::text("general.alignment") + le<std::uint32_t>(4) + le<std::uint32_t>(0), ""),
        gguf::file(0, 0, "", "", 4), gguf::file(0, 0, "", "", 0x03000000), std::string("GGUF")}) {
    const ModelFile parsed = parse(file, "w.gguf");
    EXPECT_EQ(parsed.format, ModelFormat::opaque);
    EXPECT_NE(parsed.note, "");
  }
}

TEST(GgufTest, NestedArraysAreSkippedToABoundedDepth) {
  const auto nested = [](int depth) {
    std::string value = gguf::text("k") + le<std::uint32_t>(9);
    for (int i = 0; i < depth; ++i) value += le<std::uint32_t>(9) + le<std::uint64_t>(1);
    return gguf::file(0, 1, value + le<std::uint32_t>(0) + le<std::uint64_t>(2) + "xy", "");
  };
  EXPECT_EQ(parse(nested(3), "").format, ModelFormat::gguf);
  EXPECT_EQ(parse(nested(10000), "").format, ModelFormat::opaque);
}

TEST(OnnxTest, InitializersWithRawDataAreFound) {
  const std::string file =
      onnx::model(onnx::initializer("w", 16, {2, 3}, counting_bytes(12)) +
                  onnx::initializer("packed", 22, {5}, counting_bytes(3)) + onnx::initializer("empty", 1, {0}, ""));
  const ModelFile parsed = parse(file, "w.onnx");
  ASSERT_EQ(parsed.format, ModelFormat::onnx) << parsed.note;
  ASSERT_EQ(parsed.tensors.size(), 3u);
  EXPECT_EQ(parsed.note, "");
  EXPECT_EQ(parsed.tensors[0].dtype, DType::bf16);
  EXPECT_EQ(file.substr(parsed.tensors[0].offset, 12), counting_bytes(12));
  EXPECT_EQ(parsed.tensors[1].dtype, DType::i4);
}

TEST(OnnxTest, ExternalAndTypedDataStayInTheSkeleton) {
  const std::string external = onnx::bytes(
      5, onnx::number(1, 2) + onnx::number(2, 1) + onnx::bytes(8, "w") + onnx::bytes(13, "") + onnx::number(14, 1));
  const std::string typed = onnx::bytes(5, onnx::number(1, 1) + onnx::number(2, 1) + onnx::bytes(4, "abcd"));
  const ModelFile parsed = parse(onnx::model(external + typed), "w.onnx");
  EXPECT_EQ(parsed.format, ModelFormat::onnx);
  EXPECT_TRUE(parsed.tensors.empty());
  EXPECT_EQ(parsed.note, "");
}

TEST(OnnxTest, ATensorThatIsNotSoundStaysInTheSkeleton) {
  for (const std::string& bad : {onnx::initializer("bad", 1, {2}, "abc"), onnx::initializer("bad", 8, {1}, "abc"),
                                 onnx::initializer("bad", 1, {~std::uint64_t{0}, 2}, "abcd")}) {
    const ModelFile parsed = parse(onnx::model(bad + onnx::initializer("good", 2, {3}, "abc")), "w.onnx");
    ASSERT_EQ(parsed.tensors.size(), 1u);
    EXPECT_EQ(parsed.tensors[0].name, "good");
    EXPECT_NE(parsed.note.find("'bad'"), std::string::npos);
  }
}

TEST(OnnxTest, WithoutTheNameOnlyAStrictModelIsTaken) {
  const std::string model = onnx::model(onnx::initializer("w", 2, {3}, "abc"));
  EXPECT_EQ(parse(model, "weights").format, ModelFormat::onnx);
  // A field that models do not have: fine where the name says ONNX, not elsewhere.
  EXPECT_EQ(parse(model + onnx::bytes(99, "x"), "w.onnx").format, ModelFormat::onnx);
  EXPECT_EQ(parse(model + onnx::bytes(99, "x"), "weights").format, ModelFormat::opaque);
  EXPECT_EQ(parse(model + onnx::bytes(99, "x"), "weights").note, "");
  for (const std::string& other : {std::string("plain text, of no format"), std::string("\x08\x01", 2),
                                   std::string(100, '\x08'), onnx::number(1, 8) + onnx::bytes(8, "")}) {
    EXPECT_EQ(parse(other, "weights").format, ModelFormat::opaque);
    EXPECT_EQ(parse(other, "weights").note, "");
    EXPECT_NE(parse(other, "w.onnx").note, "");
  }
}

TEST(OnnxTest, LengthsThatLieMakeTheFileOpaque) {
  const std::string model = onnx::model(onnx::initializer("w", 2, {3}, "abc"));
  for (std::size_t size = 1; size < model.size(); ++size) {
    EXPECT_EQ(parse(model.substr(0, size), "w.onnx").format, ModelFormat::opaque) << size;
  }
  const std::string overflowing = onnx::number(1, 8) + onnx::varint(7 << 3 | 2) + std::string(9, '\xff') + "\x01";
  EXPECT_EQ(parse(overflowing, "w.onnx").format, ModelFormat::opaque);
}

}  // namespace
}  // namespace cairn
