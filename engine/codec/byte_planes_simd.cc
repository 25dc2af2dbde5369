// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/byte_planes_simd.h"

#include <cstring>

#if CAIRN_X86_SIMD

#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the deliberately undefined operands inside its own intrinsics for ours.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define CAIRN_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2")))
#define CAIRN_AVX2 __attribute__((target("avx2")))
#define CAIRN_INLINE inline __attribute__((always_inline))

namespace cairn {
namespace {

// A register of 64 (or 32) bytes holds whole elements. One shuffle sorts its bytes by
// plane, so that byte p of element i lands in place p × elements + i; the parts then go
// to their planes. Merging runs the same way backwards.
template <unsigned kWidth, unsigned kRegister>
struct Order {
  alignas(64) std::uint8_t split[kRegister];
  alignas(64) std::uint8_t merge[kRegister];

  constexpr Order() : split{}, merge{} {
    for (unsigned at = 0; at < kRegister; ++at) {
      constexpr unsigned kElements = kRegister / kWidth;
      const unsigned from = at % kElements * kWidth + at / kElements;
      split[at] = static_cast<std::uint8_t>(from);
      merge[from] = static_cast<std::uint8_t>(at);
    }
  }
};

template <unsigned kWidth>
CAIRN_AVX512 CAIRN_INLINE __m512i rotate_left(__m512i x, unsigned bits) noexcept {
  const auto count = static_cast<short>(bits);
  if constexpr (kWidth == 2) return _mm512_shldv_epi16(x, x, _mm512_set1_epi16(count));
  if constexpr (kWidth == 4) return _mm512_rolv_epi32(x, _mm512_set1_epi32(count));
  if constexpr (kWidth == 8) return _mm512_rolv_epi64(x, _mm512_set1_epi64(count));
}

// Two registers at a time for two planes: two shuffles make a whole register of each.
CAIRN_AVX512 std::size_t split2_avx512(const std::byte* elements, std::size_t count, unsigned rotation,
                                       const Planes& planes) noexcept {
  static constexpr Order<2, 128> kOrder;
  const __m512i low = _mm512_load_si512(kOrder.split);
  const __m512i high = _mm512_load_si512(kOrder.split + 64);
  std::size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i a = rotate_left<2>(_mm512_loadu_si512(elements + 2 * i), rotation);
    const __m512i b = rotate_left<2>(_mm512_loadu_si512(elements + 2 * i + 64), rotation);
    _mm512_storeu_si512(planes[0] + i, _mm512_permutex2var_epi8(a, low, b));
    _mm512_storeu_si512(planes[1] + i, _mm512_permutex2var_epi8(a, high, b));
  }
  return i;
}

CAIRN_AVX512 std::size_t merge2_avx512(const ConstPlanes& planes, std::size_t count, unsigned rotation,
                                       std::byte* elements) noexcept {
  static constexpr Order<2, 128> kOrder;
  const __m512i low = _mm512_load_si512(kOrder.merge);
  const __m512i high = _mm512_load_si512(kOrder.merge + 64);
  std::size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i a = _mm512_loadu_si512(planes[0] + i);
    const __m512i b = _mm512_loadu_si512(planes[1] + i);
    const unsigned back = (16 - rotation) % 16;
    _mm512_storeu_si512(elements + 2 * i, rotate_left<2>(_mm512_permutex2var_epi8(a, low, b), back));
    _mm512_storeu_si512(elements + 2 * i + 64, rotate_left<2>(_mm512_permutex2var_epi8(a, high, b), back));
  }
  return i;
}

// Four and eight planes: 16 or 8 elements in a register, 16 or 8 bytes for each plane.
CAIRN_AVX512 std::size_t split4_avx512(const std::byte* elements, std::size_t count, unsigned rotation,
                                       const Planes& planes) noexcept {
  static constexpr Order<4, 64> kOrder;
  const __m512i order = _mm512_load_si512(kOrder.split);
  std::size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    __m512i r[4];
#pragma GCC unroll 4
    for (std::size_t k = 0; k < 4; ++k) {
      r[k] = _mm512_permutexvar_epi8(order, rotate_left<4>(_mm512_loadu_si512(elements + 4 * i + 64 * k), rotation));
    }
    // r[k] holds part k of each plane: a transposition of 4 × 4 parts of 16 bytes.
    const __m512i a = _mm512_shuffle_i64x2(r[0], r[1], 0x44), b = _mm512_shuffle_i64x2(r[0], r[1], 0xEE);
    const __m512i c = _mm512_shuffle_i64x2(r[2], r[3], 0x44), d = _mm512_shuffle_i64x2(r[2], r[3], 0xEE);
    _mm512_storeu_si512(planes[0] + i, _mm512_shuffle_i64x2(a, c, 0x88));
    _mm512_storeu_si512(planes[1] + i, _mm512_shuffle_i64x2(a, c, 0xDD));
    _mm512_storeu_si512(planes[2] + i, _mm512_shuffle_i64x2(b, d, 0x88));
    _mm512_storeu_si512(planes[3] + i, _mm512_shuffle_i64x2(b, d, 0xDD));
  }
  return i;
}

CAIRN_AVX512 std::size_t merge4_avx512(const ConstPlanes& planes, std::size_t count, unsigned rotation,
                                       std::byte* elements) noexcept {
  static constexpr Order<4, 64> kOrder;
  const __m512i order = _mm512_load_si512(kOrder.merge);
  const unsigned back = (32 - rotation) % 32;
  std::size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i p0 = _mm512_loadu_si512(planes[0] + i), p1 = _mm512_loadu_si512(planes[1] + i);
    const __m512i p2 = _mm512_loadu_si512(planes[2] + i), p3 = _mm512_loadu_si512(planes[3] + i);
    const __m512i a = _mm512_shuffle_i64x2(p0, p1, 0x44), b = _mm512_shuffle_i64x2(p0, p1, 0xEE);
    const __m512i c = _mm512_shuffle_i64x2(p2, p3, 0x44), d = _mm512_shuffle_i64x2(p2, p3, 0xEE);
    const __m512i r[4] = {_mm512_shuffle_i64x2(a, c, 0x88), _mm512_shuffle_i64x2(a, c, 0xDD),
                          _mm512_shuffle_i64x2(b, d, 0x88), _mm512_shuffle_i64x2(b, d, 0xDD)};
#pragma GCC unroll 4
    for (std::size_t k = 0; k < 4; ++k) {
      _mm512_storeu_si512(elements + 4 * i + 64 * k, rotate_left<4>(_mm512_permutexvar_epi8(order, r[k]), back));
    }
  }
  return i;
}

CAIRN_AVX512 std::size_t split8_avx512(const std::byte* elements, std::size_t count, unsigned rotation,
                                       const Planes& planes) noexcept {
  static constexpr Order<8, 64> kOrder;
  const __m512i order = _mm512_load_si512(kOrder.split);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m512i sorted =
        _mm512_permutexvar_epi8(order, rotate_left<8>(_mm512_loadu_si512(elements + 8 * i), rotation));
    alignas(64) std::uint64_t parts[8];
    _mm512_store_si512(parts, sorted);
#pragma GCC unroll 8
    for (std::size_t p = 0; p < 8; ++p) std::memcpy(planes[p] + i, parts + p, 8);
  }
  return i;
}

CAIRN_AVX512 std::size_t merge8_avx512(const ConstPlanes& planes, std::size_t count, unsigned rotation,
                                       std::byte* elements) noexcept {
  static constexpr Order<8, 64> kOrder;
  const __m512i order = _mm512_load_si512(kOrder.merge);
  const unsigned back = (64 - rotation) % 64;
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    long long parts[8];
#pragma GCC unroll 8
    for (std::size_t p = 0; p < 8; ++p) std::memcpy(parts + p, planes[p] + i, 8);
    const __m512i sorted =
        _mm512_set_epi64(parts[7], parts[6], parts[5], parts[4], parts[3], parts[2], parts[1], parts[0]);
    _mm512_storeu_si512(elements + 8 * i, rotate_left<8>(_mm512_permutexvar_epi8(order, sorted), back));
  }
  return i;
}

CAIRN_AVX2 CAIRN_INLINE __m256i rotate16_avx2(__m256i x, int left) noexcept {
  return _mm256_or_si256(_mm256_sll_epi16(x, _mm_cvtsi32_si128(left)),
                         _mm256_srl_epi16(x, _mm_cvtsi32_si128(16 - left)));
}
CAIRN_AVX2 CAIRN_INLINE __m256i rotate32_avx2(__m256i x, int left) noexcept {
  return _mm256_or_si256(_mm256_sll_epi32(x, _mm_cvtsi32_si128(left)),
                         _mm256_srl_epi32(x, _mm_cvtsi32_si128(32 - left)));
}
CAIRN_AVX2 CAIRN_INLINE __m256i rotate64_avx2(__m256i x, int left) noexcept {
  return _mm256_or_si256(_mm256_sll_epi64(x, _mm_cvtsi32_si128(left)),
                         _mm256_srl_epi64(x, _mm_cvtsi32_si128(64 - left)));
}

CAIRN_AVX2 std::size_t split2_avx2(const std::byte* elements, std::size_t count, unsigned rotation,
                                   const Planes& planes) noexcept {
  const auto left = static_cast<int>(rotation);
  const __m256i byte = _mm256_set1_epi16(0xff);
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const auto* from = reinterpret_cast<const __m256i*>(elements + 2 * i);
    const __m256i a = rotate16_avx2(_mm256_loadu_si256(from), left);
    const __m256i b = rotate16_avx2(_mm256_loadu_si256(from + 1), left);
    const __m256i low = _mm256_packus_epi16(_mm256_and_si256(a, byte), _mm256_and_si256(b, byte));
    const __m256i high = _mm256_packus_epi16(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
    // Packing works in halves of 128 bits: put their quarters in order.
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(planes[0] + i), _mm256_permute4x64_epi64(low, 0xD8));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(planes[1] + i), _mm256_permute4x64_epi64(high, 0xD8));
  }
  return i;
}

CAIRN_AVX2 std::size_t merge2_avx2(const ConstPlanes& planes, std::size_t count, unsigned rotation,
                                   std::byte* elements) noexcept {
  const auto left = static_cast<int>((16 - rotation) % 16);
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256i low =
        _mm256_permute4x64_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(planes[0] + i)), 0xD8);
    const __m256i high =
        _mm256_permute4x64_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(planes[1] + i)), 0xD8);
    auto* to = reinterpret_cast<__m256i*>(elements + 2 * i);
    _mm256_storeu_si256(to, rotate16_avx2(_mm256_unpacklo_epi8(low, high), left));
    _mm256_storeu_si256(to + 1, rotate16_avx2(_mm256_unpackhi_epi8(low, high), left));
  }
  return i;
}

// Eight elements of four bytes in a register: sorted in each half, then across.
CAIRN_AVX2 std::size_t split4_avx2(const std::byte* elements, std::size_t count, unsigned rotation,
                                   const Planes& planes) noexcept {
  static constexpr Order<4, 16> kOrder;
  const __m256i order = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kOrder.split)));
  const __m256i across = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i x = rotate32_avx2(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(elements + 4 * i)),
                                    static_cast<int>(rotation));
    alignas(32) std::uint64_t parts[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(parts),
                       _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(x, order), across));
#pragma GCC unroll 4
    for (std::size_t p = 0; p < 4; ++p) std::memcpy(planes[p] + i, parts + p, 8);
  }
  return i;
}

CAIRN_AVX2 std::size_t merge4_avx2(const ConstPlanes& planes, std::size_t count, unsigned rotation,
                                   std::byte* elements) noexcept {
  static constexpr Order<4, 16> kOrder;
  const __m256i order = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kOrder.merge)));
  const __m256i across = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    long long parts[4];
#pragma GCC unroll 4
    for (std::size_t p = 0; p < 4; ++p) std::memcpy(parts + p, planes[p] + i, 8);
    const __m256i sorted =
        _mm256_permutevar8x32_epi32(_mm256_setr_epi64x(parts[0], parts[1], parts[2], parts[3]), across);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(elements + 4 * i),
                        rotate32_avx2(_mm256_shuffle_epi8(sorted, order), static_cast<int>((32 - rotation) % 32)));
  }
  return i;
}

// Four elements of eight bytes in a register.
CAIRN_AVX2 std::size_t split8_avx2(const std::byte* elements, std::size_t count, unsigned rotation,
                                   const Planes& planes) noexcept {
  static constexpr Order<8, 16> kOrder;
  const __m256i order = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kOrder.split)));
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const __m256i x = rotate64_avx2(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(elements + 8 * i)),
                                    static_cast<int>(rotation));
    const __m256i sorted = _mm256_shuffle_epi8(x, order);
    // Each half has two bytes of every plane: interleave the halves by two bytes.
    const __m128i low = _mm256_castsi256_si128(sorted), high = _mm256_extracti128_si256(sorted, 1);
    alignas(32) std::uint32_t parts[8];
    _mm_store_si128(reinterpret_cast<__m128i*>(parts), _mm_unpacklo_epi16(low, high));
    _mm_store_si128(reinterpret_cast<__m128i*>(parts + 4), _mm_unpackhi_epi16(low, high));
#pragma GCC unroll 8
    for (std::size_t p = 0; p < 8; ++p) std::memcpy(planes[p] + i, parts + p, 4);
  }
  return i;
}

CAIRN_AVX2 std::size_t merge8_avx2(const ConstPlanes& planes, std::size_t count, unsigned rotation,
                                   std::byte* elements) noexcept {
  std::size_t i = 0;
  const __m256i gather_pairs = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0, 1, 4, 5, 8, 9,
                                                12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  const __m256i order = _mm256_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12,
                                         14, 1, 3, 5, 7, 9, 11, 13, 15);
  for (; i + 4 <= count; i += 4) {
    int parts[8];
#pragma GCC unroll 8
    for (std::size_t p = 0; p < 8; ++p) std::memcpy(parts + p, planes[p] + i, 4);
    // Halves of planes 0 to 3 and 4 to 7; within each, elements 0 and 1 first, then 2 and 3.
    const __m256i pairs = _mm256_shuffle_epi8(
        _mm256_setr_epi32(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], parts[7]),
        gather_pairs);
    // Elements 0 and 1 of all planes in the lower half, 2 and 3 in the upper.
    const __m256i halves = _mm256_permute4x64_epi64(pairs, 0xD8);
    const __m256i x = _mm256_shuffle_epi8(halves, order);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(elements + 8 * i),
                        rotate64_avx2(x, static_cast<int>((64 - rotation) % 64)));
  }
  return i;
}

}  // namespace

std::size_t split_planes_simd(const std::byte* elements, std::size_t count, PlaneLayout layout, const Planes& planes,
                              SimdLevel level) noexcept {
  if (level == SimdLevel::scalar) return 0;
  const bool wide = level >= SimdLevel::avx512;
  switch (layout.width) {
    case 2: return (wide ? split2_avx512 : split2_avx2)(elements, count, layout.rotation, planes);
    case 4: return (wide ? split4_avx512 : split4_avx2)(elements, count, layout.rotation, planes);
    case 8: return (wide ? split8_avx512 : split8_avx2)(elements, count, layout.rotation, planes);
    default: return 0;
  }
}

std::size_t merge_planes_simd(const ConstPlanes& planes, std::size_t count, PlaneLayout layout, std::byte* elements,
                              SimdLevel level) noexcept {
  if (level == SimdLevel::scalar) return 0;
  const bool wide = level >= SimdLevel::avx512;
  switch (layout.width) {
    case 2: return (wide ? merge2_avx512 : merge2_avx2)(planes, count, layout.rotation, elements);
    case 4: return (wide ? merge4_avx512 : merge4_avx2)(planes, count, layout.rotation, elements);
    case 8: return (wide ? merge8_avx512 : merge8_avx2)(planes, count, layout.rotation, elements);
    default: return 0;
  }
}

}  // namespace cairn

#else

namespace cairn {

std::size_t split_planes_simd(const std::byte*, std::size_t, PlaneLayout, const Planes&, SimdLevel) noexcept {
  return 0;
}
std::size_t merge_planes_simd(const ConstPlanes&, std::size_t, PlaneLayout, std::byte*, SimdLevel) noexcept {
  return 0;
}

}  // namespace cairn

#endif
