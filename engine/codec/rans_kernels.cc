// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/rans_kernels.h"

#include <algorithm>
#include <bit>

#include "engine/base/endian.h"

#if CAIRN_X86_SIMD
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the deliberately undefined operands inside its own intrinsics for ours.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define CAIRN_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt")))
#endif
#define CAIRN_INLINE inline __attribute__((always_inline))

namespace cairn {
namespace {

// One symbol: what does not fit the state any more goes out as a word of 16 bits.
CAIRN_INLINE void encode_one(std::uint64_t code, std::uint32_t& state, std::byte*& to) noexcept {
  const auto packed = static_cast<std::uint32_t>(code >> 32);
  const std::uint32_t frequency = packed & 0x1fff;
  std::uint32_t x = state;
  if (x >> 19 >= frequency) {
    to -= 2;
    store_le(to, static_cast<std::uint16_t>(x));
    x >>= 16;
  }
  const auto quotient = static_cast<std::uint32_t>(x * (code & 0xffffffff) >> 32) >> (packed >> 26);
  state = x + (packed >> 13 & 0x1fff) + quotient * (kRansTotal - frequency);
}

// Symbols [from, to), the last first.
CAIRN_INLINE std::byte* encode_scalar(std::span<const RansIndex> indexes, std::size_t from,
                                      const RansEncodeTable& table, RansStates& states, std::byte* end) noexcept {
  for (std::size_t i = indexes.size(); i-- != from;) {
    encode_one(table.code[indexes[i]], states[i % kRansStates], end);
  }
  return end;
}

CAIRN_INLINE std::uint32_t advance(std::uint32_t state, std::uint32_t entry) noexcept {
  const std::uint32_t frequency_less_one = entry >> 8 & 0xfff;
  const std::uint32_t quotient = state >> kRansBits;
  return frequency_less_one * quotient + quotient + (entry >> 20);
}

// Symbols [from, to). False if words run out.
CAIRN_INLINE bool decode_scalar(Bytes words, std::size_t& at, Bytes contexts, std::size_t from, std::size_t to,
                                const RansDecodeTable& table, RansStates& states, MutableBytes symbols) noexcept {
  for (std::size_t i = from; i < to; ++i) {
    std::uint32_t& state = states[i % kRansStates];
    const std::uint32_t entry =
        table.entry[std::to_integer<std::size_t>(contexts[i]) * kRansTotal + (state & (kRansTotal - 1))];
    symbols[i] = static_cast<std::byte>(entry);
    state = advance(state, entry);
    if (state < kRansLow) {
      if (words.size() - at < 2) return false;
      state = state << 16 | load_le<std::uint16_t>(words.data() + at);
      at += 2;
    }
  }
  return true;
}

#if CAIRN_X86_SIMD

CAIRN_AVX512 CAIRN_INLINE __m512i bytes_to_lanes(const std::byte* from) noexcept {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// Of eight symbols, one by one: see load_each().
CAIRN_AVX512 CAIRN_INLINE __m512i load_codes(const std::uint64_t* codes, const RansIndex* indexes) noexcept {
  const auto two = [&](std::size_t k) CAIRN_AVX512 {
    const __m128i lanes = _mm_cvtsi64_si128(static_cast<long long>(codes[indexes[k]]));
    return _mm_insert_epi64(lanes, static_cast<long long>(codes[indexes[k + 1]]), 1);
  };
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(two(0)), two(2), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(two(4)), two(6), 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

CAIRN_AVX512 CAIRN_INLINE __m512i encode_sixteen(const RansIndex* indexes, const RansEncodeTable& table, __m512i x,
                                                 std::byte*& to) noexcept {
  const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i first = load_codes(table.code.data(), indexes), second = load_codes(table.code.data(), indexes + 8);
  const __m512i reciprocal = _mm512_permutex2var_epi32(first, evens, second);
  const __m512i packed = _mm512_permutex2var_epi32(first, _mm512_add_epi32(evens, _mm512_set1_epi32(1)), second);
  const __m512i low13 = _mm512_set1_epi32(0x1fff);
  const __m512i frequency = _mm512_and_si512(packed, low13);
  const __mmask16 full = _mm512_cmpge_epu32_mask(_mm512_srli_epi32(x, 19), frequency);
  const auto count = static_cast<unsigned>(std::popcount(static_cast<unsigned>(full)));
  to -= 2 * count;
  // Only as many as there are: what lies behind was written before.
  _mm512_mask_cvtepi32_storeu_epi16(to, static_cast<__mmask16>((1U << count) - 1),
                                    _mm512_maskz_compress_epi32(full, x));
  x = _mm512_mask_srli_epi32(x, full, x, 16);
  const __m512i even = _mm512_srli_epi64(_mm512_mul_epu32(x, reciprocal), 32);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(reciprocal, 32));
  const __m512i high = _mm512_mask_blend_epi32(0xAAAA, even, odd);
  const __m512i quotient = _mm512_srlv_epi32(high, _mm512_srli_epi32(packed, 26));
  const __m512i bias = _mm512_and_si512(_mm512_srli_epi32(packed, 13), low13);
  const __m512i rest = _mm512_sub_epi32(_mm512_set1_epi32(static_cast<int>(kRansTotal)), frequency);
  return _mm512_add_epi32(_mm512_add_epi32(x, bias), _mm512_mullo_epi32(quotient, rest));
}

CAIRN_AVX512 std::size_t indexes_avx512(Bytes symbols, Bytes contexts, RansIndex* out) noexcept {
  std::size_t i = 0;
  for (; i + 32 <= symbols.size(); i += 32) {
    const __m512i symbol =
        _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(symbols.data() + i)));
    const __m512i context =
        _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(contexts.data() + i)));
    const __m512i stride = _mm512_set1_epi16(static_cast<short>(kRansContextStride));
    _mm512_storeu_si512(out + i, _mm512_add_epi16(symbol, _mm512_mullo_epi16(context, stride)));
  }
  return i;
}

constexpr std::size_t kVectors = kRansStates / 16;

// Symbols [0, to), which are whole rounds of all states.
CAIRN_AVX512 std::byte* encode_avx512(const RansIndex* indexes, std::size_t to, const RansEncodeTable& table,
                                      RansStates& states, std::byte* end) noexcept {
  __m512i x[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) x[v] = _mm512_loadu_si512(states.data() + 16 * v);
  for (std::size_t i = to; i != 0;) {
    i -= kRansStates;
#pragma GCC unroll 4
    for (std::size_t v = kVectors; v-- != 0;) {
      x[v] = encode_sixteen(indexes + i + 16 * v, table, x[v], end);
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) _mm512_storeu_si512(states.data() + 16 * v, x[v]);
  return end;
}

// One by one: a gather is microcode on AMD's processors up to Zen 5, and takes half as long again.
CAIRN_AVX512 CAIRN_INLINE __m512i load_each(const std::uint32_t* from, __m512i index) noexcept {
  alignas(64) std::uint32_t at[16];
  _mm512_store_si512(at, index);
  const auto four = [&](std::size_t k) CAIRN_AVX512 {
    __m128i lanes = _mm_cvtsi32_si128(static_cast<int>(from[at[k]]));
    lanes = _mm_insert_epi32(lanes, static_cast<int>(from[at[k + 1]]), 1);
    lanes = _mm_insert_epi32(lanes, static_cast<int>(from[at[k + 2]]), 2);
    return _mm_insert_epi32(lanes, static_cast<int>(from[at[k + 3]]), 3);
  };
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(four(0)), four(4), 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(four(8)), four(12), 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

CAIRN_AVX512 CAIRN_INLINE __m512i decode_sixteen(const std::byte* contexts, const RansDecodeTable& table, __m512i x,
                                                 const std::byte*& words, std::byte* symbols) noexcept {
  const __m512i slot = _mm512_and_si512(x, _mm512_set1_epi32(kRansTotal - 1));
  const __m512i index = _mm512_or_si512(_mm512_slli_epi32(bytes_to_lanes(contexts), kRansBits), slot);
  const __m512i entry = load_each(table.entry.data(), index);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(symbols), _mm512_cvtepi32_epi8(entry));
  const __m512i less_one = _mm512_and_si512(_mm512_srli_epi32(entry, 8), _mm512_set1_epi32(0xfff));
  const __m512i quotient = _mm512_srli_epi32(x, kRansBits);
  x = _mm512_add_epi32(_mm512_add_epi32(_mm512_mullo_epi32(less_one, quotient), quotient),
                       _mm512_srli_epi32(entry, 20));
  const __mmask16 low = _mm512_cmplt_epu32_mask(x, _mm512_set1_epi32(kRansLow));
  const __m512i next = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(words)));
  words += 2 * std::popcount(static_cast<unsigned>(low));
  return _mm512_mask_or_epi32(x, low, _mm512_slli_epi32(x, 16), _mm512_maskz_expand_epi32(low, next));
}

// Whole rounds, as long as no round can come near the end of the words. Returns how many symbols.
CAIRN_AVX512 std::size_t decode_avx512(Bytes words, std::size_t& at, Bytes contexts, const RansDecodeTable& table,
                                       RansStates& states, MutableBytes symbols) noexcept {
  __m512i x[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) x[v] = _mm512_loadu_si512(states.data() + 16 * v);
  const std::byte* from = words.data() + at;
  const std::byte* const end = words.data() + words.size();
  const std::size_t rounds = symbols.size() / kRansStates * kRansStates;
  std::size_t i = 0;
  for (; i < rounds && static_cast<std::size_t>(end - from) >= 2 * kRansStates; i += kRansStates) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) {
      x[v] = decode_sixteen(contexts.data() + i + 16 * v, table, x[v], from, symbols.data() + i + 16 * v);
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) _mm512_storeu_si512(states.data() + 16 * v, x[v]);
  at = static_cast<std::size_t>(from - words.data());
  return i;
}

#endif

}  // namespace

void rans_indexes(Bytes symbols, Bytes contexts, RansIndex* out, SimdLevel level) noexcept {
  std::size_t i = 0;
#if CAIRN_X86_SIMD
  if (level >= SimdLevel::avx512) i = indexes_avx512(symbols, contexts, out);
#else
  (void)level;
#endif
  for (; i < symbols.size(); ++i) {
    out[i] = static_cast<RansIndex>(std::to_integer<std::size_t>(contexts[i]) * kRansContextStride +
                                    std::to_integer<std::size_t>(symbols[i]));
  }
}

std::byte* rans_encode_words(std::span<const RansIndex> indexes, const RansEncodeTable& table, RansStates& states,
                             std::byte* end, SimdLevel level) noexcept {
  std::size_t whole = 0;
#if CAIRN_X86_SIMD
  if (level >= SimdLevel::avx512) whole = indexes.size() / kRansStates * kRansStates;
#else
  (void)level;
#endif
  end = encode_scalar(indexes, whole, table, states, end);
#if CAIRN_X86_SIMD
  if (whole != 0) end = encode_avx512(indexes.data(), whole, table, states, end);
#endif
  return end;
}

bool rans_decode_words(Bytes words, Bytes contexts, const RansDecodeTable& table, RansStates& states,
                       MutableBytes symbols, SimdLevel level) noexcept {
  std::size_t at = 0, done = 0;
#if CAIRN_X86_SIMD
  if (level >= SimdLevel::avx512) done = decode_avx512(words, at, contexts, table, states, symbols);
#else
  (void)level;
#endif
  return decode_scalar(words, at, contexts, done, symbols.size(), table, states, symbols) && at == words.size() &&
         std::all_of(states.begin(), states.end(), [](std::uint32_t state) { return state == kRansLow; });
}

}  // namespace cairn
