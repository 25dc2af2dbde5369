// SPDX-License-Identifier: Apache-2.0
//
// The manifest of a model file: its tensors, and the skeleton between them. Layout:
// docs/format/manifests.md.
#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {
namespace {

constexpr std::size_t kTensorBytesMin = sizeof(std::uint32_t) + 2 * sizeof(std::uint64_t) + Digest::kSize;

}  // namespace

std::vector<std::byte> encode(const ModelManifest& model) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  put_manifest_start(writer, RecordKind::model);
  writer.put(model.format);
  writer.put(model.total_bytes);
  put_digest(writer, model.skeleton);
  writer.put(model.skeleton_bytes);
  writer.put(static_cast<std::uint32_t>(model.tensors.size()));
  for (const ModelTensor& tensor : model.tensors) {
    writer.put_string(tensor.name);
    writer.put(tensor.offset);
    writer.put(tensor.bytes);
    put_digest(writer, tensor.tensor);
  }
  return out;
}

Result<ModelManifest> decode_model(Bytes bytes) {
  FieldReader reader("model manifest", bytes);
  CAIRN_CHECK(check_manifest_start(reader, RecordKind::model));
  ModelManifest model;
  // Not checked against the known formats: the number is for people, and a file of a
  // format that only a later version parses is restored all the same.
  CAIRN_TRY(model.format, reader.get<std::uint8_t>("format"));
  CAIRN_TRY(model.total_bytes, reader.get<std::uint64_t>("total_bytes"));
  CAIRN_TRY(model.skeleton, reader.get_digest("skeleton"));
  CAIRN_TRY(model.skeleton_bytes, reader.get<std::uint64_t>("skeleton_bytes"));
  CAIRN_TRY(const auto count, reader.get_count("tensors", kTensorBytesMin));
  model.tensors.reserve(count);
  std::uint64_t sum = model.skeleton_bytes;
  std::uint64_t end = 0;  // of the tensor before
  for (std::uint32_t i = 0; i < count; ++i) {
    ModelTensor& tensor = model.tensors.emplace_back();
    CAIRN_TRY(tensor.name, reader.get_string("tensor.name"));
    CAIRN_TRY(tensor.offset, reader.get<std::uint64_t>("tensor.offset"));
    // For an empty tensor too: who fills the gaps between tensors subtracts offsets.
    if (tensor.offset < end) return reader.wrong("lies before the end of the tensor before it");
    if (tensor.offset > model.total_bytes) return reader.wrong("lies outside the file");
    CAIRN_TRY(tensor.bytes, reader.get<std::uint64_t>("tensor.bytes"));
    if (tensor.bytes > model.total_bytes - tensor.offset) return reader.wrong("reaches beyond the file's end");
    end = tensor.offset + tensor.bytes;
    if (!add_checked(sum, tensor.bytes)) return reader.wrong("overflows the sum of all sizes");
    CAIRN_TRY(tensor.tensor, reader.get_digest("tensor.tensor"));
  }
  if (sum != model.total_bytes) {
    return reader.wrong("ends tensors that with the skeleton have " + std::to_string(sum) +
                        " bytes, not total_bytes, " + std::to_string(model.total_bytes));
  }
  CAIRN_CHECK(reader.expect_end());
  return model;
}

}  // namespace cairn
