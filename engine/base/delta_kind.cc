// SPDX-License-Identifier: Apache-2.0
#include "cairn/delta_kind.h"

#include <array>
#include <string>

#include "engine/base/errors.h"

namespace cairn {
namespace {

// Indexed by the frozen number.
constexpr std::array<std::string_view, 9> kNames{"whole",       "raw_difference", "xor_split", "exponent_mantissa",
                                                 "ulp_grouped", "int8",           "int16",     "sparse",
                                                 "axis_scaled"};

}  // namespace

bool delta_kind_is_valid(std::uint8_t value) noexcept { return value < kNames.size(); }

std::string_view delta_kind_name(DeltaKind kind) noexcept {
  const auto value = static_cast<std::uint8_t>(kind);
  return delta_kind_is_valid(value) ? kNames[value] : "unknown";
}

Result<DeltaKind> parse_delta_kind(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<DeltaKind>(i);
  }
  return make_error(ErrorCode::invalid_argument, "no such kind of delta: '" + std::string(name) + "'");
}

}  // namespace cairn
