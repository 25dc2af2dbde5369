// SPDX-License-Identifier: Apache-2.0
#include "engine/content/onnx.h"

#include <algorithm>

#include "engine/content/protobuf_reader.h"

namespace cairn {
namespace {

using Wire = ProtobufField::Wire;

constexpr std::uint64_t kNameMax = 64 * KiB;

// ModelProto.
constexpr std::uint64_t kIrVersion = 1;
constexpr std::uint64_t kGraph = 7;
constexpr std::uint64_t kOpsetImport = 8;
// GraphProto.
constexpr std::uint64_t kInitializer = 5;
// TensorProto.
constexpr std::uint64_t kDims = 1;
constexpr std::uint64_t kDataType = 2;
constexpr std::uint64_t kSegment = 3;
constexpr std::uint64_t kName = 8;
constexpr std::uint64_t kRawData = 9;
constexpr std::uint64_t kDataLocation = 14;

// The fields of ModelProto and GraphProto, and how each is written.
struct KnownField {
  std::uint64_t number;
  Wire wire;
};
constexpr KnownField kModelFields[] = {
    {1, Wire::varint}, {2, Wire::bytes}, {3, Wire::bytes},  {4, Wire::bytes},  {5, Wire::varint}, {6, Wire::bytes},
    {7, Wire::bytes},  {8, Wire::bytes}, {14, Wire::bytes}, {20, Wire::bytes}, {25, Wire::bytes}, {26, Wire::bytes},
};
constexpr KnownField kGraphFields[] = {
    {1, Wire::bytes},  {2, Wire::bytes},  {5, Wire::bytes},  {10, Wire::bytes}, {11, Wire::bytes},
    {12, Wire::bytes}, {13, Wire::bytes}, {14, Wire::bytes}, {15, Wire::bytes}, {16, Wire::bytes},
};

template <std::size_t n>
bool is_known(const ProtobufField& field, const KnownField (&fields)[n]) noexcept {
  return std::any_of(std::begin(fields), std::end(fields),
                     [&](const KnownField& known) { return known.number == field.number && known.wire == field.wire; });
}

// TensorProto.DataType.
std::optional<DType> type_numbered(std::uint64_t number) noexcept {
  switch (number) {
    case 1: return DType::f32;
    case 2: return DType::u8;
    case 3: return DType::i8;
    case 4: return DType::u16;
    case 5: return DType::i16;
    case 6: return DType::i32;
    case 7: return DType::i64;
    case 9: return DType::boolean;
    case 10: return DType::f16;
    case 11: return DType::f64;
    case 12: return DType::u32;
    case 13: return DType::u64;
    case 14: return DType::complex64;
    case 15: return DType::complex128;
    case 16: return DType::bf16;
    case 17: return DType::f8_e4m3;
    case 18: return DType::f8_e4m3fnuz;
    case 19: return DType::f8_e5m2;
    case 20: return DType::f8_e5m2fnuz;
    case 21: return DType::u4;
    case 22: return DType::i4;
    case 23: return DType::f4_e2m1;
    case 24: return DType::f8_e8m0;
    default: return std::nullopt;
  }
}

class OnnxScan {
 public:
  OnnxScan(const ByteSource& source, OnnxRigour rigour, TensorCollector& tensors)
      : reader_(source), size_(source.size()), strict_(rigour == OnnxRigour::unnamed), tensors_(tensors) {}

  Result<ScanOutcome> run() {
    const bool good = read_model();
    CAIRN_CHECK(reader_.status());
    if (tensors_.exhausted()) return TensorCollector::over_budget();
    if (good) return ScanOutcome::parsed();
    return ScanOutcome::because("its ONNX structure is not valid at byte " + std::to_string(reader_.offset()));
  }

 private:
  bool read_model() {
    bool has_version = false;
    bool has_graph = false;
    bool has_opset = false;
    while (const auto field = reader_.next(size_)) {
      const bool known = is_known(*field, kModelFields);
      if (strict_ && !known) return false;
      has_version |= known && field->number == kIrVersion;
      has_opset |= known && field->number == kOpsetImport;
      if (known && field->number == kGraph) {
        has_graph = true;
        if (!read_graph(field->end)) return false;
      }
      if (field->wire == Wire::bytes) reader_.skip_to(field->end);
    }
    // Every model has these: what lacks one is something else.
    return !reader_.failed() && has_graph && has_version && has_opset;
  }

  bool read_graph(std::uint64_t end) {
    while (const auto field = reader_.next(end)) {
      const bool known = is_known(*field, kGraphFields);
      if (strict_ && !known) return false;
      if (known && field->number == kInitializer && !read_tensor(field->end)) return false;
      if (field->wire == Wire::bytes) reader_.skip_to(field->end);
    }
    return !reader_.failed();
  }

  bool read_tensor(std::uint64_t end) {
    TensorRegion region;
    std::uint64_t type = 0;
    std::uint64_t location = 0;
    unsigned raw_count = 0;
    bool strange = false;
    while (const auto field = reader_.next(end)) {
      if (field->number == kDims && field->wire == Wire::varint) {
        strange |= !take_dimension(region, field->value);
      } else if (field->number == kDims && field->wire == Wire::bytes) {
        while (reader_.offset() < field->end) {
          const auto value = reader_.varint(field->end);
          if (!value) return false;
          strange |= !take_dimension(region, *value);
        }
      } else if (field->number == kDataType && field->wire == Wire::varint) {
        type = field->value;
      } else if (field->number == kDataLocation && field->wire == Wire::varint) {
        location = field->value;
      } else if (field->number == kSegment) {
        strange = true;
      } else if (field->number == kName && field->wire == Wire::bytes) {
        auto name = reader_.text(*field, kNameMax);
        if (!name) return false;
        region.name = std::move(*name);
      } else if (field->number == kRawData && field->wire == Wire::bytes) {
        ++raw_count;
        region.offset = field->begin;
        region.length = field->end - field->begin;
      }
      if (field->wire == Wire::bytes) reader_.skip_to(field->end);
    }
    if (reader_.failed()) return false;
    // Typed fields and other files hold the values: nothing to take, and no fault.
    if (raw_count == 0 || location != 0) return true;
    const auto dtype = type_numbered(type);
    if (!dtype || raw_count > 1 || strange) {
      tensors_.remark("tensor " + quoted(region.name) + " is not described in a way that is known");
      return true;
    }
    region.dtype = *dtype;
    return tensors_.add(std::move(region));
  }

  bool take_dimension(TensorRegion& region, std::uint64_t value) {
    if (region.shape.size() == kDimensionsMax) return false;
    region.shape.push_back(value);
    return true;
  }

  ProtobufReader reader_;
  std::uint64_t size_;
  bool strict_;
  TensorCollector& tensors_;
};

}  // namespace

bool looks_like_onnx(Bytes head) noexcept {
  constexpr auto kVersionTag = std::byte{kIrVersion << 3};
  constexpr unsigned kVersionMax = 64;
  return head.size() > 2 && head[0] == kVersionTag && head[1] != std::byte{0} &&
         std::to_integer<unsigned>(head[1]) < kVersionMax;
}

Result<ScanOutcome> scan_onnx(const ByteSource& source, OnnxRigour rigour, TensorCollector& tensors) {
  return OnnxScan(source, rigour, tensors).run();
}

}  // namespace cairn
