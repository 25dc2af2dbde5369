// SPDX-License-Identifier: Apache-2.0
#include "engine/content/model_file.h"

#include <algorithm>
#include <array>

#include "engine/content/npy.h"
#include "engine/content/safetensors.h"
#include "engine/content/tensor_collector.h"

namespace cairn {
namespace {

bool has_extension(std::string_view name, std::string_view extension) noexcept {
  if (name.size() < extension.size()) return false;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(extension.begin(), extension.end(), name.end() - static_cast<std::ptrdiff_t>(extension.size()),
                    [&](char a, char b) { return a == lower(b); });
}

ModelFile opaque(std::string note) { return {.format = ModelFormat::opaque, .tensors = {}, .note = std::move(note)}; }

ModelFile concluded(ScanOutcome outcome, TensorCollector&& tensors, ModelFormat format) {
  if (!outcome.broken.empty()) return opaque(std::move(outcome.broken));
  return std::move(tensors).finish(format);
}

}  // namespace

std::string_view model_format_name(ModelFormat format) noexcept {
  switch (format) {
    case ModelFormat::opaque:
      return "opaque";
    case ModelFormat::safetensors:
      return "safetensors";
    case ModelFormat::pytorch_zip:
      return "pytorch";
    case ModelFormat::npz:
      return "npz";
    case ModelFormat::npy:
      return "npy";
    case ModelFormat::gguf:
      return "gguf";
    case ModelFormat::onnx:
      return "onnx";
  }
  return "unknown";
}

Result<ModelFile> parse_model_file(const ByteSource& source, std::string_view name) {
  const std::uint64_t size = source.size();
  std::array<std::byte, 64> buffer{};
  const Bytes head(buffer.data(), static_cast<std::size_t>(std::min<std::uint64_t>(size, buffer.size())));
  CAIRN_CHECK(source.read_at(0, MutableBytes(buffer.data(), head.size())));

  TensorCollector tensors(size);
  if (looks_like_npy(head)) {
    CAIRN_TRY(ScanOutcome outcome, scan_npy(source, 0, size, "array", tensors));
    return concluded(std::move(outcome), std::move(tensors), ModelFormat::npy);
  }
  if (looks_like_safetensors(head, size)) {
    CAIRN_TRY(ScanOutcome outcome, scan_safetensors(source, tensors));
    return concluded(std::move(outcome), std::move(tensors), ModelFormat::safetensors);
  }

  // The content looks like nothing that is known. The name may promise otherwise.
  for (const std::string_view extension : {".safetensors", ".npy"}) {
    if (has_extension(name, extension)) return opaque("its content is not what " + std::string(extension) + " holds");
  }
  return opaque({});
}

}  // namespace cairn
