// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/simd.h"

#if CAIRN_X86_SIMD
#include <cpuid.h>
#endif

namespace cairn {
namespace {

SimdLevel detect() noexcept {
#if CAIRN_X86_SIMD
  __builtin_cpu_init();
  // The compilers' run-time test does not know LZCNT's name everywhere, and without it the
  // instruction silently means something else, so it is asked for directly.
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const bool lzcnt = __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) != 0 && (ecx & (1U << 5)) != 0;
  if (!lzcnt || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2")) {
    return SimdLevel::scalar;
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vbmi") &&
      __builtin_cpu_supports("avx512vbmi2")) {
    return SimdLevel::avx512;
  }
  return SimdLevel::avx2;
#else
  return SimdLevel::scalar;
#endif
}

}  // namespace

SimdLevel simd_level() noexcept {
  static const SimdLevel level = detect();
  return level;
}

}  // namespace cairn
