// SPDX-License-Identifier: Apache-2.0
//
// Which instruction sets the codec's inner loops may use. Every loop has a scalar form
// that writes the same bytes, so the level changes the speed of an encoding, never its
// content. Callers pass simd_level(); tests pass each level that the processor has.
#pragma once

#include <cstdint>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define CAIRN_X86_SIMD 1
#else
#define CAIRN_X86_SIMD 0
#endif

namespace cairn {

enum class SimdLevel : std::uint8_t {
  scalar = 0,
  avx2 = 1,    // AVX2, BMI1, BMI2 and LZCNT: every server since 2013
  avx512 = 2,  // and AVX-512 F, BW, CD, VL, VBMI and VBMI2: Ice Lake, Zen 4 and later
};

// The best level of this processor, asked once.
SimdLevel simd_level() noexcept;

}  // namespace cairn
