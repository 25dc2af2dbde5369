// SPDX-License-Identifier: Apache-2.0
#include "engine/content/safetensors.h"

#include <array>

#include "engine/base/endian.h"
#include "engine/content/json_reader.h"

namespace cairn {
namespace {

constexpr std::uint64_t kLengthBytes = 8;

struct NamedType {
  std::string_view name;
  DType dtype;
};
constexpr NamedType kTypes[] = {
    {"BOOL", DType::boolean},
    {"U8", DType::u8},
    {"I8", DType::i8},
    {"U16", DType::u16},
    {"I16", DType::i16},
    {"U32", DType::u32},
    {"I32", DType::i32},
    {"U64", DType::u64},
    {"I64", DType::i64},
    {"F16", DType::f16},
    {"BF16", DType::bf16},
    {"F32", DType::f32},
    {"F64", DType::f64},
    {"F8_E4M3", DType::f8_e4m3},
    {"F8_E5M2", DType::f8_e5m2},
    {"F8_E4M3FNUZ", DType::f8_e4m3fnuz},
    {"F8_E5M2FNUZ", DType::f8_e5m2fnuz},
    {"F8_E8M0", DType::f8_e8m0},
    {"C64", DType::complex64},
    {"C128", DType::complex128},
    {"I4", DType::i4},
    {"U4", DType::u4},
    {"F4", DType::f4_e2m1},
    {"F6_E2M3", DType::f6_e2m3},
    {"F6_E3M2", DType::f6_e3m2},
};

// A type that this table lacks is newer than it: the tensor keeps its name, shape and
// place, and its bytes are of no known type.
DType type_named(std::string_view name) noexcept {
  for (const NamedType& type : kTypes) {
    if (type.name == name) return type.dtype;
  }
  return DType::opaque;
}

// An array of unsigned integers, at most `count_max` of them; nothing when it is not that.
std::optional<std::vector<std::uint64_t>> read_integers(JsonReader& json, std::size_t count_max) {
  if (!json.enter_array()) return std::nullopt;
  std::vector<std::uint64_t> values;
  bool good = true;
  while (json.next_element()) {
    const auto value = json.unsigned_integer();
    good = good && value && values.size() < count_max;
    if (good) values.push_back(*value);
  }
  if (!good || json.failed()) return std::nullopt;
  return values;
}

struct Entry {
  std::optional<std::string> dtype;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> range;  // begin and end, in the data part
  bool repeated = false;                            // a field stood there twice
};

// Fields that are not known are skipped.
Entry read_entry(JsonReader& json) {
  Entry entry;
  if (!json.enter_object()) return entry;
  while (const auto key = json.next_key()) {
    if (*key == "dtype") {
      entry.repeated |= entry.dtype.has_value();
      entry.dtype = json.string();
    } else if (*key == "shape") {
      entry.repeated |= entry.shape.has_value();
      entry.shape = read_integers(json, kDimensionsMax);
    } else if (*key == "data_offsets") {
      entry.repeated |= entry.range.has_value();
      entry.range = read_integers(json, 2);
    } else {
      json.skip();
    }
  }
  return entry;
}

// False when the collector has no memory left.
bool collect(std::string name, Entry entry, std::uint64_t data_at, TensorCollector& tensors) {
  const bool complete = entry.dtype && entry.shape && entry.range && entry.range->size() == 2 && !entry.repeated;
  if (!complete || (*entry.range)[0] > (*entry.range)[1]) {
    tensors.remark("tensor " + quoted(name) + " is not described in a way that is known");
    return true;
  }
  const std::uint64_t begin = (*entry.range)[0];
  TensorRegion region{.name = std::move(name),
                      .dtype = type_named(*entry.dtype),
                      .attribute = 0,
                      .shape = std::move(*entry.shape),
                      .offset = 0,
                      .length = (*entry.range)[1] - begin};
  if (__builtin_add_overflow(data_at, begin, &region.offset)) {
    tensors.remark("tensor " + quoted(region.name) + " lies outside the file");
    return true;
  }
  return tensors.add(std::move(region));
}

}  // namespace

bool looks_like_safetensors(Bytes head, std::uint64_t file_bytes) noexcept {
  if (head.size() <= kLengthBytes || file_bytes < kLengthBytes + 2) return false;
  const auto header_bytes = load_le<std::uint64_t>(head.data());
  return header_bytes >= 2 && header_bytes <= file_bytes - kLengthBytes && head[kLengthBytes] == std::byte{'{'};
}

Result<ScanOutcome> scan_safetensors(const ByteSource& source, TensorCollector& tensors) {
  if (tensors.file_bytes() < kLengthBytes) return ScanOutcome::because("it is shorter than a safetensors header");
  std::array<std::byte, kLengthBytes> length{};
  CAIRN_CHECK(source.read_at(0, length));
  const auto header_bytes = load_le<std::uint64_t>(length.data());
  if (header_bytes > tensors.file_bytes() - kLengthBytes) {
    return ScanOutcome::because("its safetensors header is longer than the file");
  }
  if (!tensors.charge(header_bytes)) return TensorCollector::over_budget();
  std::vector<std::byte> header(header_bytes);
  CAIRN_CHECK(source.read_at(kLengthBytes, header));

  JsonReader json(as_text(header));
  if (!json.enter_object()) return ScanOutcome::because("its safetensors header is no JSON object");
  while (auto key = json.next_key()) {
    if (*key == "__metadata__") {
      json.skip();
      continue;
    }
    Entry entry = read_entry(json);
    if (json.failed()) break;
    if (!collect(std::move(*key), std::move(entry), kLengthBytes + header_bytes, tensors)) {
      return TensorCollector::over_budget();
    }
  }
  if (json.failed()) {
    return ScanOutcome::because("its safetensors header is not valid JSON at byte " + std::to_string(json.offset()));
  }
  // What follows the object inside the header is padding: skeleton, whatever it is.
  return ScanOutcome::parsed();
}

std::string_view safetensors_type_name(DType dtype) noexcept {
  for (const NamedType& type : kTypes) {
    if (type.dtype == dtype) return type.name;
  }
  return {};
}

}  // namespace cairn
