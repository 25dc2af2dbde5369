// SPDX-License-Identifier: Apache-2.0
#include "engine/content/model_file.h"

#include <algorithm>
#include <array>

#include "engine/content/gguf.h"
#include "engine/content/npy.h"
#include "engine/content/npz.h"
#include "engine/content/onnx.h"
#include "engine/content/pytorch.h"
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

// The extension, when it promises a model file. (".bin" and ".ckpt" promise nothing: many
// other files are called so.)
std::optional<std::string_view> promised_extension(std::string_view name) noexcept {
  for (const std::string_view extension : {".safetensors", ".npy", ".npz", ".pt", ".pth", ".gguf", ".onnx"}) {
    if (has_extension(name, extension)) return extension;
  }
  return std::nullopt;
}

// The content looks like nothing that is known. The name may promise otherwise.
ModelFile not_a_model(std::string_view name) {
  const auto extension = promised_extension(name);
  return opaque(extension
                    ? "its content is not what a " + std::string(*extension) + " file holds; kept as an opaque file"
                    : std::string());
}

ModelFile concluded(ScanOutcome outcome, TensorCollector&& tensors, ModelFormat format) {
  if (!outcome.broken.empty()) return opaque(std::move(outcome.broken));
  return std::move(tensors).finish(format);
}

// A ZIP is a model when it holds what torch.save() or numpy.savez() puts into one.
Result<ModelFile> parse_zip(const ByteSource& source, std::string_view name) {
  TensorCollector tensors(source.size());
  CAIRN_TRY(ZipDirectory directory, read_zip_directory(source, tensors));
  const bool pytorch = is_pytorch(directory);
  const bool npz = is_npz(directory);
  if (!directory.broken.empty()) {
    const bool model = pytorch || npz || promised_extension(name).has_value();
    return opaque(model ? directory.broken : std::string());
  }
  if (pytorch) {
    CAIRN_TRY(ScanOutcome outcome, scan_pytorch(source, directory, tensors));
    return concluded(std::move(outcome), std::move(tensors), ModelFormat::pytorch_zip);
  }
  if (npz) {
    CAIRN_TRY(ScanOutcome outcome, scan_npz(source, directory, tensors));
    return concluded(std::move(outcome), std::move(tensors), ModelFormat::npz);
  }
  return not_a_model(name);
}

}  // namespace

std::string_view model_format_name(ModelFormat format) noexcept {
  switch (format) {
    case ModelFormat::opaque: return "opaque";
    case ModelFormat::safetensors: return "safetensors";
    case ModelFormat::pytorch_zip: return "pytorch";
    case ModelFormat::npz: return "npz";
    case ModelFormat::npy: return "npy";
    case ModelFormat::gguf: return "gguf";
    case ModelFormat::onnx: return "onnx";
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

  if (looks_like_zip(head)) return parse_zip(source, name);
  if (looks_like_legacy_pytorch(head)) {
    return opaque("it is a PyTorch file of the format before ZIP, whose tensors are not found");
  }
  if (looks_like_gguf(head)) {
    CAIRN_TRY(ScanOutcome outcome, scan_gguf(source, tensors));
    return concluded(std::move(outcome), std::move(tensors), ModelFormat::gguf);
  }
  const bool promised = has_extension(name, ".onnx");
  if (promised || looks_like_onnx(head)) {
    CAIRN_TRY(ScanOutcome outcome, scan_onnx(source, promised ? OnnxRigour::named : OnnxRigour::unnamed, tensors));
    // Without a name that says so, a file that does not fit is simply no ONNX.
    if (outcome.broken.empty() || promised) {
      return concluded(std::move(outcome), std::move(tensors), ModelFormat::onnx);
    }
  }
  return not_a_model(name);
}

}  // namespace cairn
