// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/huffman_kernels.h"

#include "engine/codec/bit_sink.h"

#if CAIRN_X86_SIMD
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the deliberately undefined operands inside its own intrinsics for ours.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define CAIRN_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt")))
#define CAIRN_BMI2 __attribute__((target("avx2,bmi,bmi2,lzcnt")))
#endif
#define CAIRN_INLINE inline __attribute__((always_inline))

namespace cairn {
namespace {

// A code and its length in one word, so that a symbol costs one look-up: bits 0 to 15 are
// the code, 16 and up the length.
using CodeWords = std::array<std::uint32_t, 256>;

CodeWords code_words(const HuffmanCode& code) noexcept {
  CodeWords words;
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = code.bits[i] | std::uint32_t{code.length[i]} << 16;
  return words;
}

CAIRN_INLINE void encode_words(Bytes bytes, const CodeWords& words, BitSink& sink) noexcept {
  std::size_t i = 0;
  // Five codes of at most 11 bits are at most the 56 bits that one append takes.
  for (; i + 5 <= bytes.size(); i += 5) {
    std::uint64_t bits = 0, length = 0;
#pragma GCC unroll 5
    for (std::size_t k = 0; k < 5; ++k) {
      const std::uint64_t word = words[std::to_integer<unsigned>(bytes[i + k])];
      bits |= (word & 0xffff) << length;
      length += word >> 16;
    }
    sink.append(bits, length);
  }
  for (; i < bytes.size(); ++i) {
    const std::uint32_t word = words[std::to_integer<unsigned>(bytes[i])];
    sink.append(word & 0xffff, word >> 16);
  }
}

void encode_baseline(Bytes bytes, const HuffmanCode& code, BitSink& sink) noexcept {
  encode_words(bytes, code_words(code), sink);
}

void mark_occurring(Bytes plane, std::array<std::uint8_t, 256>& occurs) noexcept {
  for (const std::byte byte : plane) occurs[std::to_integer<unsigned>(byte)] = 1;
}

#if CAIRN_X86_SIMD

CAIRN_BMI2 void encode_bmi2(Bytes bytes, const HuffmanCode& code, BitSink& sink) noexcept {
  encode_words(bytes, code_words(code), sink);
}

// Marks the bytes that occur and are not known to. Membership of 64 bytes is two
// shuffles: byte b is in the set if bit b % 8 of set[b / 8] is 1.
CAIRN_AVX512 void mark_unknown_avx512(Bytes plane, const ByteCounts& counts,
                                      std::array<std::uint8_t, 256>& occurs) noexcept {
  alignas(64) std::uint8_t known[64] = {};
  for (std::size_t b = 0; b < 256; ++b) {
    if (counts[b] != 0) known[b / 8] = static_cast<std::uint8_t>(known[b / 8] | 1U << (b % 8));
  }
  const __m512i set = _mm512_load_si512(known);
  const __m512i bit = _mm512_set1_epi64(static_cast<long long>(0x8040201008040201ULL));
  std::size_t i = 0;
  for (; i + 64 <= plane.size(); i += 64) {
    const __m512i bytes = _mm512_loadu_si512(plane.data() + i);
    const __m512i index = _mm512_and_si512(_mm512_srli_epi16(bytes, 3), _mm512_set1_epi8(31));
    const __m512i members = _mm512_permutexvar_epi8(index, set);
    // The shuffle looks at the low three bits here, because every eight bytes repeat.
    const __m512i bits = _mm512_shuffle_epi8(bit, _mm512_and_si512(bytes, _mm512_set1_epi8(7)));
    if (_mm512_testn_epi8_mask(members, bits) != 0) [[unlikely]]
      mark_occurring(plane.subspan(i, 64), occurs);
  }
  mark_occurring(plane.subspan(i), occurs);
}

// 256 entries of a byte each, looked up 64 at a time.
struct ByteTable {
  __m512i part[4];
};
CAIRN_AVX512 CAIRN_INLINE ByteTable load_table(const std::uint8_t* table) noexcept {
  return {{_mm512_loadu_si512(table), _mm512_loadu_si512(table + 64), _mm512_loadu_si512(table + 128),
           _mm512_loadu_si512(table + 192)}};
}
CAIRN_AVX512 CAIRN_INLINE __m512i look_up(const ByteTable& table, __m512i bytes, __mmask64 upper) noexcept {
  return _mm512_mask_blend_epi8(upper, _mm512_permutex2var_epi8(table.part[0], bytes, table.part[1]),
                                _mm512_permutex2var_epi8(table.part[2], bytes, table.part[3]));
}

// 64 symbols at a time: codes and lengths by shuffles, then neighbours are joined to
// codes of two, four and eight symbols in lanes of 32 and 64 bits, and only those go
// through the scalar sink.
CAIRN_AVX512 std::size_t encode_avx512(Bytes bytes, const HuffmanCode& code, BitSink& sink) noexcept {
  std::array<std::uint8_t, 256> low, high;
  for (std::size_t i = 0; i < 256; ++i) {
    low[i] = static_cast<std::uint8_t>(code.bits[i]);
    high[i] = static_cast<std::uint8_t>(code.bits[i] >> 8);
  }
  const ByteTable low_table = load_table(low.data());
  const ByteTable high_table = load_table(high.data());
  const ByteTable length_table = load_table(code.length.data());
  constexpr __mmask64 kOdd = 0xAAAAAAAAAAAAAAAA;
  const __m512i low16 = _mm512_set1_epi32(0xffff);
  const __m512i low32 = _mm512_set1_epi64(0xffffffff);

  BitSink local = sink;
  std::size_t i = 0;
  for (; i + 64 <= bytes.size(); i += 64) {
    const __m512i symbols = _mm512_loadu_si512(bytes.data() + i);
    const __mmask64 upper = _mm512_movepi8_mask(symbols);
    const __m512i lows = look_up(low_table, symbols, upper);
    const __m512i highs = look_up(high_table, symbols, upper);
    const __m512i lengths = look_up(length_table, symbols, upper);

    // Lanes of 16 bits: the even symbol of each pair, and the odd one.
    const __m512i even = _mm512_mask_blend_epi8(kOdd, lows, _mm512_slli_epi16(highs, 8));
    const __m512i odd = _mm512_mask_blend_epi8(kOdd, _mm512_srli_epi16(lows, 8), highs);
    const __m512i even_length = _mm512_and_si512(lengths, _mm512_set1_epi16(0xff));
    const __m512i pair_length = _mm512_add_epi16(even_length, _mm512_srli_epi16(lengths, 8));

    // Lanes of 32 bits: pairs of at most 22 bits, the even ones and the odd ones.
    const __m512i even_pair =
        _mm512_or_si512(_mm512_and_si512(even, low16),
                        _mm512_sllv_epi32(_mm512_and_si512(odd, low16), _mm512_and_si512(even_length, low16)));
    const __m512i odd_pair = _mm512_or_si512(
        _mm512_srli_epi32(even, 16), _mm512_sllv_epi32(_mm512_srli_epi32(odd, 16), _mm512_srli_epi32(even_length, 16)));
    const __m512i even_pair_length = _mm512_and_si512(pair_length, low16);
    const __m512i four_length = _mm512_add_epi32(even_pair_length, _mm512_srli_epi32(pair_length, 16));

    // Lanes of 64 bits: fours of at most 44 bits, again even and odd.
    const __m512i even_four = _mm512_or_si512(
        _mm512_and_si512(even_pair, low32),
        _mm512_sllv_epi64(_mm512_and_si512(odd_pair, low32), _mm512_and_si512(even_pair_length, low32)));
    const __m512i odd_four =
        _mm512_or_si512(_mm512_srli_epi64(even_pair, 32),
                        _mm512_sllv_epi64(_mm512_srli_epi64(odd_pair, 32), _mm512_srli_epi64(even_pair_length, 32)));
    const __m512i even_four_length = _mm512_and_si512(four_length, low32);
    const __m512i odd_four_length = _mm512_srli_epi64(four_length, 32);
    const __m512i eight_length = _mm512_add_epi64(even_four_length, odd_four_length);

    alignas(64) std::uint64_t bits[8], length[8];
    if (_mm512_cmpgt_epu64_mask(eight_length, _mm512_set1_epi64(56)) == 0) [[likely]] {
      _mm512_store_si512(bits, _mm512_or_si512(even_four, _mm512_sllv_epi64(odd_four, even_four_length)));
      _mm512_store_si512(length, eight_length);
#pragma GCC unroll 8
      for (std::size_t k = 0; k < 8; ++k) local.append(bits[k], length[k]);
    } else {
      alignas(64) std::uint64_t odd_bits[8], odd_length[8];
      _mm512_store_si512(bits, even_four);
      _mm512_store_si512(length, even_four_length);
      _mm512_store_si512(odd_bits, odd_four);
      _mm512_store_si512(odd_length, odd_four_length);
#pragma GCC unroll 8
      for (std::size_t k = 0; k < 8; ++k) {
        local.append(bits[k], length[k]);
        local.append(odd_bits[k], odd_length[k]);
      }
    }
  }
  sink = local;
  return i;
}

#endif

}  // namespace

void count_missing(Bytes plane, ByteCounts& counts, SimdLevel level) noexcept {
  std::array<std::uint8_t, 256> occurs{};
#if CAIRN_X86_SIMD
  if (level >= SimdLevel::avx512) {
    mark_unknown_avx512(plane, counts, occurs);
  } else {
    mark_occurring(plane, occurs);
  }
#else
  (void)level;
  mark_occurring(plane, occurs);
#endif
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) counts[i] = occurs[i];
  }
}

std::byte* encode_stream(Bytes bytes, const HuffmanCode& code, std::byte* out, SimdLevel level) noexcept {
  BitSink sink{out};
#if CAIRN_X86_SIMD
  if (level >= SimdLevel::avx2) {
    const std::size_t done = level >= SimdLevel::avx512 ? encode_avx512(bytes, code, sink) : 0;
    encode_bmi2(bytes.subspan(done), code, sink);
    return sink.finish();
  }
#else
  (void)level;
#endif
  encode_baseline(bytes, code, sink);
  return sink.finish();
}

}  // namespace cairn
