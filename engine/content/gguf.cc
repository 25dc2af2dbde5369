// SPDX-License-Identifier: Apache-2.0
#include "engine/content/gguf.h"

#include <algorithm>

#include "engine/content/source_reader.h"

namespace cairn {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint64_t kNameMax = 64 * KiB;
constexpr unsigned kArrayDepthMax = 8;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kAlignmentMax = 1 * MiB;

// Types of metadata values.
constexpr std::uint32_t kUint32 = 4;
constexpr std::uint32_t kString = 8;
constexpr std::uint32_t kArray = 9;

// Types of tensors. A quantised row is a whole number of blocks.
struct TensorType {
  std::uint32_t number;
  DType dtype;
  std::uint32_t block_elements;
  std::uint32_t block_bytes;
};
constexpr TensorType kTensorTypes[] = {
    {0, DType::f32, 1, 4},        // F32
    {1, DType::f16, 1, 2},        // F16
    {2, DType::ggml, 32, 18},     // Q4_0
    {3, DType::ggml, 32, 20},     // Q4_1
    {6, DType::ggml, 32, 22},     // Q5_0
    {7, DType::ggml, 32, 24},     // Q5_1
    {8, DType::ggml, 32, 34},     // Q8_0
    {10, DType::ggml, 256, 84},   // Q2_K
    {11, DType::ggml, 256, 110},  // Q3_K
    {12, DType::ggml, 256, 144},  // Q4_K
    {13, DType::ggml, 256, 176},  // Q5_K
    {14, DType::ggml, 256, 210},  // Q6_K
    {15, DType::ggml, 256, 292},  // Q8_K
    {16, DType::ggml, 256, 66},   // IQ2_XXS
    {17, DType::ggml, 256, 74},   // IQ2_XS
    {18, DType::ggml, 256, 98},   // IQ3_XXS
    {19, DType::ggml, 256, 50},   // IQ1_S
    {20, DType::ggml, 32, 18},    // IQ4_NL
    {21, DType::ggml, 256, 110},  // IQ3_S
    {22, DType::ggml, 256, 82},   // IQ2_S
    {23, DType::ggml, 256, 136},  // IQ4_XS
    {24, DType::i8, 1, 1},        // I8
    {25, DType::i16, 1, 2},       // I16
    {26, DType::i32, 1, 4},       // I32
    {27, DType::i64, 1, 8},       // I64
    {28, DType::f64, 1, 8},       // F64
    {29, DType::ggml, 256, 56},   // IQ1_M
    {30, DType::bf16, 1, 2},      // BF16
    {34, DType::ggml, 256, 54},   // TQ1_0
    {35, DType::ggml, 256, 66},   // TQ2_0
    {39, DType::ggml, 32, 17},    // MXFP4
};

const TensorType* tensor_type(std::uint32_t number) noexcept {
  const auto* found = std::find_if(std::begin(kTensorTypes), std::end(kTensorTypes),
                                   [&](const TensorType& type) { return type.number == number; });
  return found == std::end(kTensorTypes) ? nullptr : found;
}

// 0 for values of no fixed size, and for types that are not known.
std::uint64_t value_bytes(std::uint32_t type) noexcept {
  constexpr std::uint64_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return type < std::size(kBytes) ? kBytes[type] : 0;
}

class GgufScan {
 public:
  GgufScan(const ByteSource& source, TensorCollector& tensors) : reader_(source, 0, source.size()), tensors_(tensors) {}

  Result<ScanOutcome> run() {
    ScanOutcome outcome = scan();
    CAIRN_CHECK(reader_.status());
    return outcome;
  }

 private:
  ScanOutcome scan() {
    reader_.skip(kMagic.size());
    const auto version = reader_.get<std::uint32_t>();
    if (!version) return ScanOutcome::because("its GGUF header is cut off");
    if (*version < 1 || *version > 3) {
      return ScanOutcome::because(*version == 0x03000000 ? "it is a big-endian GGUF file"
                                                         : "its GGUF version is not known");
    }
    narrow_ = *version == 1;
    const auto tensor_count = get_size();
    const auto value_count = get_size();
    if (!tensor_count || !value_count) return ScanOutcome::because("its GGUF header is cut off");
    // Counts are promises: each one must be paid with bytes that are there.
    for (std::uint64_t i = 0; i < *value_count; ++i) {
      if (!read_value()) {
        return ScanOutcome::because("its GGUF metadata is not valid at byte " + std::to_string(reader_.offset()));
      }
    }
    std::vector<TensorRegion> regions;
    for (std::uint64_t i = 0; i < *tensor_count; ++i) {
      if (!read_tensor(regions)) {
        if (tensors_.exhausted()) return TensorCollector::over_budget();
        return ScanOutcome::because("its GGUF tensor table is not valid at byte " + std::to_string(reader_.offset()));
      }
    }
    const std::uint64_t data_at = align_up(reader_.offset(), alignment_);
    for (TensorRegion& region : regions) {
      if (__builtin_add_overflow(region.offset, data_at, &region.offset)) {
        tensors_.remark("tensor " + quoted(region.name) + " lies outside the file");
      } else if (!tensors_.add(std::move(region))) {
        return TensorCollector::over_budget();
      }
    }
    return ScanOutcome::parsed();
  }

  // Version 1 had counts and lengths of four bytes.
  std::optional<std::uint64_t> get_size() {
    if (!narrow_) return reader_.get<std::uint64_t>();
    const auto size = reader_.get<std::uint32_t>();
    return size ? std::optional<std::uint64_t>(*size) : std::nullopt;
  }

  bool read_value() {
    const auto key_bytes = get_size();
    const auto key = key_bytes ? reader_.get_text(*key_bytes, kNameMax) : std::nullopt;
    const auto type = key ? reader_.get<std::uint32_t>() : std::nullopt;
    if (!type) return false;
    if (*key != "general.alignment") return skip_value(*type, 0);
    const auto alignment = *type == kUint32 ? reader_.get<std::uint32_t>() : std::nullopt;
    if (!alignment || *alignment == 0 || *alignment > kAlignmentMax) return false;
    alignment_ = *alignment;
    return true;
  }

  bool skip_value(std::uint32_t type, unsigned depth) {
    if (type == kString) {
      const auto bytes = get_size();
      return bytes && reader_.skip(*bytes);
    }
    if (type != kArray) return value_bytes(type) != 0 && reader_.skip(value_bytes(type));
    const auto element = reader_.get<std::uint32_t>();
    const auto count = get_size();
    if (!element || !count || depth == kArrayDepthMax) return false;
    if (const std::uint64_t bytes = value_bytes(*element); bytes != 0) {
      return *count <= reader_.remaining() / bytes && reader_.skip(*count * bytes);
    }
    for (std::uint64_t i = 0; i < *count; ++i) {
      if (!skip_value(*element, depth + 1)) return false;
    }
    return true;
  }

  bool read_tensor(std::vector<TensorRegion>& regions) {
    const auto name_bytes = get_size();
    auto name = name_bytes ? reader_.get_text(*name_bytes, kNameMax) : std::nullopt;
    const auto dimensions = name ? reader_.get<std::uint32_t>() : std::nullopt;
    if (!dimensions || *dimensions > kDimensionsMax) return false;
    std::vector<std::uint64_t> shape;
    for (std::uint32_t i = 0; i < *dimensions; ++i) {
      const auto dimension = get_size();
      if (!dimension) return false;
      shape.push_back(*dimension);
    }
    const auto number = reader_.get<std::uint32_t>();
    const auto offset = number ? reader_.get<std::uint64_t>() : std::nullopt;
    if (!offset) return false;

    const TensorType* type = tensor_type(*number);
    const std::uint64_t row = shape.empty() ? 1 : shape[0];
    // The file counts the fastest dimension first; we count it last, as everybody else.
    std::reverse(shape.begin(), shape.end());
    const auto elements = element_count(shape);
    std::uint64_t bytes = 0;
    if (type == nullptr) {
      tensors_.remark("tensor " + quoted(*name) + " is of ggml type " + std::to_string(*number) +
                      ", which is not known");
      return true;
    }
    if (!elements || row % type->block_elements != 0 ||
        __builtin_mul_overflow(*elements / type->block_elements, std::uint64_t{type->block_bytes}, &bytes)) {
      tensors_.remark("tensor " + quoted(*name) + " has a shape that its type cannot have");
      return true;
    }
    if (!tensors_.charge(3 * sizeof(TensorRegion) + name->size() + shape.size() * sizeof(std::uint64_t))) return false;
    regions.push_back({.name = std::move(*name),
                       .dtype = type->dtype,
                       .attribute = type->dtype == DType::ggml ? static_cast<std::uint8_t>(*number) : std::uint8_t{0},
                       .shape = std::move(shape),
                       .offset = *offset,
                       .length = bytes});
    return true;
  }

  SourceReader reader_;
  TensorCollector& tensors_;
  bool narrow_ = false;
  std::uint64_t alignment_ = kDefaultAlignment;
};

}  // namespace

bool looks_like_gguf(Bytes head) noexcept { return as_text(head).starts_with(kMagic); }

Result<ScanOutcome> scan_gguf(const ByteSource& source, TensorCollector& tensors) {
  return GgufScan(source, tensors).run();
}

}  // namespace cairn
