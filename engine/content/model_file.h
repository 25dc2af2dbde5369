// SPDX-License-Identifier: Apache-2.0
//
// Finds the tensors inside a model file. What is not tensor data is the file's skeleton;
// tensors and skeleton together are every byte of it, so that it is restored bit for bit
// whatever it holds. Nothing is unpickled or executed: pickle streams are only scanned.
#pragma once

#include <string>
#include <vector>

#include "cairn/dtype.h"
#include "engine/content/byte_source.h"

namespace cairn {

// Frozen numbers: written in manifests.
enum class ModelFormat : std::uint8_t {
  opaque = 0,
  safetensors = 1,
  pytorch_zip = 2,
  npz = 3,
  npy = 4,
  gguf = 5,
  onnx = 6,
};
std::string_view model_format_name(ModelFormat format) noexcept;

// Frozen numbers: TensorRegion::attribute.
inline constexpr std::uint8_t kFortranOrder = 1;
inline constexpr std::uint8_t kBigEndian = 2;

// A tensor's bytes in the file, little-endian and in row-major order unless `attribute`
// says otherwise.
struct TensorRegion {
  std::string name;  // as the file spells it (UTF-8 or not: bytes); may repeat
  DType dtype = DType::opaque;
  // Distinguishes tensors of equal dtype, shape and bytes that mean different things:
  // the ggml type number for DType::ggml; otherwise the sum of kFortranOrder and kBigEndian
  // where they apply, 0 for most.
  std::uint8_t attribute = 0;
  std::vector<std::uint64_t> shape;
  std::uint64_t offset = 0;  // in the file
  std::uint64_t length = 0;  // bytes; may be 0
};

// What parse_model_file found. The regions are sorted by offset, lie inside the file and
// do not overlap. For a plain format (dtype_bits a multiple of 8) length equals the
// product of shape and element size: callers may rely on it.
struct ModelFile {
  ModelFormat format = ModelFormat::opaque;
  std::vector<TensorRegion> tensors;
  // Why the file, or a part of it, is treated as opaque; empty when all is well. One line.
  std::string note;
};

// Never fails because of what the file holds: what does not parse is ModelFormat::opaque
// with a note (no note when it does not look like a model file at all). Fails only when
// the source cannot be read. `name` is a hint (its extension), not trusted.
//
// Memory: at most a few times the file's own metadata, and never above 256 MiB.
Result<ModelFile> parse_model_file(const ByteSource& source, std::string_view name);

}  // namespace cairn
