// SPDX-License-Identifier: Apache-2.0
#include "cairn/dtype.h"

#include <array>

#include "engine/base/errors.h"

namespace cairn {
namespace {

struct Row {
  std::string_view name;
  unsigned bits;
};

// Indexed by the frozen number of the DType.
constexpr std::array<Row, 28> kRows{{
    {"opaque", 0},  {"bool", 8},       {"u8", 8},           {"i8", 8},         {"u16", 16},        {"i16", 16},
    {"u32", 32},    {"i32", 32},       {"u64", 64},         {"i64", 64},       {"f16", 16},        {"bf16", 16},
    {"f32", 32},    {"f64", 64},       {"f8_e4m3", 8},      {"f8_e5m2", 8},    {"f8_e4m3fnuz", 8}, {"f8_e5m2fnuz", 8},
    {"f8_e8m0", 8}, {"complex64", 64}, {"complex128", 128}, {"complex32", 32}, {"i4", 4},          {"u4", 4},
    {"f4_e2m1", 4}, {"f6_e2m3", 6},    {"f6_e3m2", 6},      {"ggml", 0},
}};

}  // namespace

bool dtype_is_valid(std::uint8_t value) noexcept { return value < kRows.size(); }

std::string_view dtype_name(DType dtype) noexcept {
  const auto value = static_cast<std::uint8_t>(dtype);
  return dtype_is_valid(value) ? kRows[value].name : "unknown";
}

unsigned dtype_bits(DType dtype) noexcept {
  const auto value = static_cast<std::uint8_t>(dtype);
  return dtype_is_valid(value) ? kRows[value].bits : 0;
}

Result<DType> parse_dtype(std::string_view name) {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (kRows[i].name == name) return static_cast<DType>(i);
  }
  return make_error(ErrorCode::invalid_argument, "no such element type: '" + std::string(name) + "'");
}

}  // namespace cairn
