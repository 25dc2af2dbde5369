// SPDX-License-Identifier: Apache-2.0
#include "engine/delta/delta_plan.h"

#include <algorithm>
#include <string>

#include "engine/base/errors.h"
#include "engine/delta/lossless.h"

namespace cairn {
namespace {

// As many sizes of steps are no burden, however small the tensor.
constexpr std::uint64_t kSlicesFree = 1 << 20;

DType unsigned_of(unsigned width) noexcept {
  switch (width) {
    case 1: return DType::u8;
    case 2: return DType::u16;
    case 4: return DType::u32;
    default: return DType::u64;
  }
}

}  // namespace

Status check_plan(const DeltaPlan& plan) {
  const auto wrong = [&](const std::string& why) {
    return make_error(ErrorCode::invalid_argument,
                      "a delta of kind " + std::string(delta_kind_name(plan.kind)) + " " + why);
  };
  if (!dtype_is_valid(static_cast<std::uint8_t>(plan.dtype))) return wrong("of elements of no known type");
  if (const char* const why = unsuited(plan.kind, plan.dtype)) {
    return wrong(std::string(why) + ", not " + std::string(dtype_name(plan.dtype)));
  }
  const unsigned bits = dtype_bits(plan.dtype);
  std::uint64_t all_bits = bits;
  for (const std::uint64_t extent : plan.shape) {
    if (__builtin_mul_overflow(all_bits, extent, &all_bits)) return wrong("of a shape that is too large");
  }
  if (bits != 0 && (all_bits / 8 + (all_bits % 8 != 0 ? 1 : 0)) != plan.bytes)
    return wrong("of a shape that its bytes do not have");
  if (plan.kind == DeltaKind::axis_scaled && plan.axis >= plan.shape.size())
    return wrong("along an axis that the tensor has not");
  if (plan.kind == DeltaKind::axis_scaled && plan.shape[plan.axis] > std::max(kSlicesFree, plan.bytes / 64))
    return wrong("along an axis of too many slices: their sizes would take more than an eighth of the tensor");
  return {};
}

std::size_t stream_count(const DeltaPlan& plan) noexcept {
  switch (plan.kind) {
    case DeltaKind::whole: return 0;
    case DeltaKind::int8:
    case DeltaKind::int16: return 3;
    case DeltaKind::sparse: return 2;
    case DeltaKind::axis_scaled: return 4;
    default: return lossless_streams(plan.kind, element_type(plan.dtype));
  }
}

bool fixed_stream_bytes(const DeltaPlan& plan, std::size_t stream, std::uint64_t& bytes) noexcept {
  if (is_lossless(plan.kind)) {
    const unsigned width = lossless_stream_width(plan.kind, element_type(plan.dtype), stream);
    bytes = plan.elements() * width;
    return width != 0;
  }
  if (plan.kind == DeltaKind::axis_scaled && stream == kSizeStream) {
    bytes = plan.elements() == 0 ? 0 : plan.shape[plan.axis] * sizeof(std::uint64_t);
    return true;
  }
  if (plan.kind == DeltaKind::sparse || stream != kStepStream) return false;
  bytes = plan.elements() * (plan.kind == DeltaKind::int16 ? 2 : 1);
  return true;
}

DType stream_dtype(const DeltaPlan& plan, std::size_t stream) noexcept {
  const ElementType type = element_type(plan.dtype);
  if (is_lossless(plan.kind)) {
    const unsigned width = lossless_stream_width(plan.kind, type, stream);
    return width == 0 ? DType::opaque : unsigned_of(width);
  }
  if (stream == value_stream(plan.kind)) return plan.dtype;
  if (plan.kind == DeltaKind::axis_scaled && stream == kSizeStream) return type.floating() ? DType::f64 : DType::u64;
  if (plan.kind != DeltaKind::sparse && stream == kStepStream)
    return plan.kind == DeltaKind::int16 ? DType::i16 : DType::i8;
  return DType::u8;
}

}  // namespace cairn
