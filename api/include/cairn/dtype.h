// SPDX-License-Identifier: Apache-2.0
//
// Element types of tensors. The numbers are frozen: they are part of every
// tensor's identity and are written in manifests. A type is never renumbered.
#pragma once

#include <cstdint>
#include <string_view>

#include "cairn/result.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

enum class DType : std::uint8_t {
  opaque = 0,  // bytes without a known element type
  boolean = 1,
  u8 = 2,
  i8 = 3,
  u16 = 4,
  i16 = 5,
  u32 = 6,
  i32 = 7,
  u64 = 8,
  i64 = 9,
  f16 = 10,
  bf16 = 11,
  f32 = 12,
  f64 = 13,
  f8_e4m3 = 14,
  f8_e5m2 = 15,
  f8_e4m3fnuz = 16,
  f8_e5m2fnuz = 17,
  f8_e8m0 = 18,
  complex64 = 19,
  complex128 = 20,
  complex32 = 21,
  // Packed kinds: the shape counts elements, the length is whatever the file holds.
  i4 = 22,
  u4 = 23,
  f4_e2m1 = 24,
  f6_e2m3 = 25,
  f6_e3m2 = 26,
  // Quantised GGUF blocks: the shape counts elements, the bytes are ggml's block layout,
  // and the ggml type number is kept in the tensor's attribute byte.
  ggml = 27,
};

std::string_view dtype_name(DType dtype) noexcept;  // "bf16"; "unknown" for a bad value
Result<DType> parse_dtype(std::string_view name);

// Bits per element; 0 for opaque and ggml, whose elements have no fixed size.
unsigned dtype_bits(DType dtype) noexcept;
bool dtype_is_valid(std::uint8_t value) noexcept;

}  // namespace cairn
#pragma GCC visibility pop
