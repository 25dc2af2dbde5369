// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <vector>

#include "engine/base/endian.h"
#include "engine/content/model_file.h"

namespace cairn {
namespace {

std::string safetensors(std::string header, std::size_t data_bytes) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  writer.put<std::uint64_t>(header.size());
  writer.put_bytes(as_bytes(header));
  for (std::size_t i = 0; i < data_bytes; ++i) writer.put(static_cast<std::uint8_t>(i));
  return std::string(as_text(out));
}

ModelFile parse(const std::string& file, std::string_view name = "model.safetensors") {
  const MemorySource source(as_bytes(file));
  auto parsed = parse_model_file(source, name);
  EXPECT_TRUE(parsed.ok());
  return std::move(parsed).value();
}

TEST(SafetensorsTest, FindsEveryTensorWithItsTypeShapeAndPlace) {
  const std::string header =
      R"({"__metadata__":{"format":"pt","nested":"{}"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )";
  const ModelFile file = parse(safetensors(header, 16));
  ASSERT_EQ(file.format, ModelFormat::safetensors);
  EXPECT_EQ(file.note, "");
  ASSERT_EQ(file.tensors.size(), 2u);
  EXPECT_EQ(file.tensors[0].name, "a");
  EXPECT_EQ(file.tensors[0].dtype, DType::f32);
  EXPECT_TRUE(file.tensors[0].shape.empty());
  EXPECT_EQ(file.tensors[0].offset, 8 + header.size());
  EXPECT_EQ(file.tensors[1].name, "b");
  EXPECT_EQ(file.tensors[1].dtype, DType::bf16);
  EXPECT_EQ(file.tensors[1].shape, (std::vector<std::uint64_t>{2, 3}));
  EXPECT_EQ(file.tensors[1].offset, 8 + header.size() + 4);
  EXPECT_EQ(file.tensors[1].length, 12u);
}

}  // namespace
}  // namespace cairn
