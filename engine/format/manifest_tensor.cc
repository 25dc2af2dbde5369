// SPDX-License-Identifier: Apache-2.0
//
// The manifest of a tensor: element type, shape and bytes. Layout: docs/format/manifests.md.
#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {

std::vector<std::byte> encode(const TensorManifest& tensor) {
  std::vector<std::byte> out;
  out.reserve(48 + tensor.shape.size() * sizeof(std::uint64_t));
  ByteWriter writer(out);
  put_manifest_start(writer, RecordKind::tensor);
  writer.put(static_cast<std::uint8_t>(tensor.dtype));
  writer.put(tensor.attribute);
  writer.put(static_cast<std::uint32_t>(tensor.shape.size()));
  for (const std::uint64_t extent : tensor.shape) writer.put(extent);
  writer.put(tensor.bytes);
  put_digest(writer, tensor.blob);
  return out;
}

Result<TensorManifest> decode_tensor(Bytes bytes) {
  FieldReader reader("tensor manifest", bytes);
  CAIRN_CHECK(check_manifest_start(reader, RecordKind::tensor));
  TensorManifest tensor;
  CAIRN_TRY(const auto dtype, reader.get<std::uint8_t>("dtype"));
  if (!dtype_is_valid(dtype)) return reader.wrong("is " + std::to_string(dtype) + ", no known element type");
  tensor.dtype = static_cast<DType>(dtype);
  CAIRN_TRY(tensor.attribute, reader.get<std::uint8_t>("attribute"));
  CAIRN_TRY(const auto rank, reader.get_count("rank", sizeof(std::uint64_t)));
  tensor.shape.reserve(rank);
  for (std::uint32_t i = 0; i < rank; ++i) {
    CAIRN_TRY(const auto extent, reader.get<std::uint64_t>("shape"));
    tensor.shape.push_back(extent);
  }
  CAIRN_TRY(tensor.bytes, reader.get<std::uint64_t>("bytes"));
  CAIRN_TRY(tensor.blob, reader.get_digest("blob"));
  CAIRN_CHECK(reader.expect_end());
  return tensor;
}

}  // namespace cairn
