// SPDX-License-Identifier: Apache-2.0
#include "engine/delta/element_type.h"

namespace cairn {
namespace {

constexpr ElementType floats(unsigned width, unsigned exponent_bits, unsigned mantissa_bits, bool complex = false) {
  return {width, ElementType::Number::floating, exponent_bits, mantissa_bits, complex, true};
}

}  // namespace

ElementType element_type(DType dtype) noexcept {
  using Number = ElementType::Number;
  switch (dtype) {
    case DType::u8: return {1, Number::unsigned_integer};
    case DType::i8: return {1, Number::signed_integer};
    case DType::u16: return {2, Number::unsigned_integer};
    case DType::i16: return {2, Number::signed_integer};
    case DType::u32: return {4, Number::unsigned_integer};
    case DType::i32: return {4, Number::signed_integer};
    case DType::u64: return {8, Number::unsigned_integer};
    case DType::i64: return {8, Number::signed_integer};
    case DType::f16: return floats(2, 5, 10);
    case DType::bf16: return floats(2, 8, 7);
    case DType::f32: return floats(4, 8, 23);
    case DType::f64: return floats(8, 11, 52);
    case DType::f8_e4m3:
    case DType::f8_e4m3fnuz: return floats(1, 4, 3);
    case DType::f8_e5m2:
    case DType::f8_e5m2fnuz: return floats(1, 5, 2);
    case DType::complex32: return floats(2, 5, 10, true);
    case DType::complex64: return floats(4, 8, 23, true);
    case DType::complex128: return floats(8, 11, 52, true);
    case DType::opaque:
    case DType::boolean:
    case DType::f8_e8m0: return {};
    case DType::i4:
    case DType::u4:
    case DType::f4_e2m1:
    case DType::f6_e2m3:
    case DType::f6_e3m2:
    case DType::ggml: return {1, Number::none, 0, 0, false, false};
  }
  return {1, Number::none, 0, 0, false, false};
}

const char* unsuited(DeltaKind kind, DType dtype) noexcept {
  const ElementType type = element_type(dtype);
  switch (kind) {
    case DeltaKind::whole:
    case DeltaKind::xor_split: return nullptr;
    case DeltaKind::raw_difference: return type.has_patterns ? nullptr : "is for elements of whole bytes";
    case DeltaKind::exponent_mantissa:
      return type.floating() ? nullptr : "is for elements that have an exponent and a mantissa";
    case DeltaKind::ulp_grouped:
      return type.number != ElementType::Number::none || dtype == DType::f8_e8m0 ? nullptr
                                                                                 : "is for elements that are numbers";
    case DeltaKind::int8:
    case DeltaKind::int16:
    case DeltaKind::sparse:
    case DeltaKind::axis_scaled:
      return type.number != ElementType::Number::none && !type.complex
                 ? nullptr
                 : "bounds the error of real numbers, and loses what is no number: use a lossless kind";
  }
  return "is no kind of delta";
}

}  // namespace cairn
