// SPDX-License-Identifier: Apache-2.0
//
// Sixteen elements at a time, each in a lane of 32 bits, of which a narrower element fills the
// top: the sign is always the lane's, and differences wrap as the element's own would. Elements of two
// bytes are joined thirty-two at a time, in lanes of their own width.
#include "engine/codec/ulp_kernels.h"

#if CAIRN_X86_SIMD

#include <immintrin.h>

#include <cstring>

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the deliberately undefined operands inside its own intrinsics for ours.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#define CAIRN_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512cd,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt")))
#define CAIRN_INLINE inline __attribute__((always_inline))

namespace cairn {
namespace {

// Bytes that are loaded to find the low bits of sixteen elements.
constexpr std::size_t kLowBitsReach = 128;

// The low bits, to load rows of them: as they are or, near their end, a copy of the rest with zeros behind it.
class LowBits {
 public:
  explicit LowBits(Bytes bytes) noexcept : bytes_(bytes), from_(bytes.data()) {}
  // Whole rows can be loaded from there.
  CAIRN_INLINE const std::byte* at(std::uint64_t bit) noexcept {
    if (from_ != rest_ && bytes_.size() < bit / 8 + kLowBitsReach) [[unlikely]] {
      first_ = bit / 8;
      std::memset(rest_, 0, sizeof(rest_));
      std::memcpy(rest_, bytes_.data() + first_, bytes_.size() - first_);
      from_ = rest_;
    }
    return from_ + (bit / 8 - first_);
  }
  std::uint64_t bits() const noexcept { return 8 * std::uint64_t{bytes_.size()}; }

 private:
  Bytes bytes_;
  const std::byte* from_;
  std::uint64_t first_ = 0;
  std::byte rest_[2 * kLowBitsReach];
};

template <unsigned kWidth>
CAIRN_AVX512 CAIRN_INLINE __m512i load_lanes(const std::byte* from) noexcept {
  if constexpr (kWidth == 1) return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  if constexpr (kWidth == 2) return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  if constexpr (kWidth == 4) return _mm512_loadu_si512(from);
}

template <unsigned kWidth>
CAIRN_AVX512 CAIRN_INLINE __m512i load_top(const std::byte* from) noexcept {
  return _mm512_slli_epi32(load_lanes<kWidth>(from), 32 - 8 * kWidth);
}

template <unsigned kWidth>
CAIRN_AVX512 CAIRN_INLINE void store_top(std::byte* to, __m512i lanes) noexcept {
  lanes = _mm512_srli_epi32(lanes, 32 - 8 * kWidth);
  if constexpr (kWidth == 1) _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(lanes));
  if constexpr (kWidth == 2) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(lanes));
  if constexpr (kWidth == 4) _mm512_storeu_si512(to, lanes);
}

// Its own inverse. `flip` has the bits that a negative float inverts, none for integers.
CAIRN_AVX512 CAIRN_INLINE __m512i ordered(__m512i bits, __m512i flip) noexcept {
  return _mm512_xor_si512(bits, _mm512_and_si512(_mm512_srai_epi32(bits, 31), flip));
}

template <unsigned kWidth>
CAIRN_AVX512 CAIRN_INLINE __m512i flip_of(ElementLayout layout) noexcept {
  constexpr unsigned kFlip = 0x7fffffffU >> (32 - 8 * kWidth) << (32 - 8 * kWidth);
  return _mm512_set1_epi32(layout.floating() ? static_cast<int>(kFlip) : 0);
}

// Low bits of sixteen elements. At most 13 each: four elements at once.
CAIRN_AVX512 CAIRN_INLINE void append_fours(__m512i bits, __m512i length, BitSink& sink) noexcept {
  const __m512i low32 = _mm512_set1_epi64(0xffffffff);
  const __m512i even_length = _mm512_and_si512(length, low32);
  const __m512i pair =
      _mm512_or_si512(_mm512_and_si512(bits, low32), _mm512_sllv_epi64(_mm512_srli_epi64(bits, 32), even_length));
  const __m512i pair_length = _mm512_add_epi64(even_length, _mm512_srli_epi64(length, 32));
  const __m512i four = _mm512_or_si512(pair, _mm512_sllv_epi64(_mm512_unpackhi_epi64(pair, pair), pair_length));
  const __m512i four_length = _mm512_add_epi64(pair_length, _mm512_unpackhi_epi64(pair_length, pair_length));
  alignas(64) std::uint64_t out[8], out_length[8];
  _mm512_store_si512(out, four);
  _mm512_store_si512(out_length, four_length);
#pragma GCC unroll 4
  for (std::size_t k = 0; k < 8; k += 2) sink.append(out[k], out_length[k]);
}

// At most 29 each: two at once, unless both are nearly that long.
CAIRN_AVX512 CAIRN_INLINE void append_pairs(__m512i bits, __m512i length, BitSink& sink) noexcept {
  const __m512i low32 = _mm512_set1_epi64(0xffffffff);
  const __m512i even = _mm512_and_si512(bits, low32);
  const __m512i odd = _mm512_srli_epi64(bits, 32);
  const __m512i even_length = _mm512_and_si512(length, low32);
  const __m512i odd_length = _mm512_srli_epi64(length, 32);
  const __m512i pair_length = _mm512_add_epi64(even_length, odd_length);
  alignas(64) std::uint64_t out[8], out_length[8];
  if (_mm512_cmpgt_epu64_mask(pair_length, _mm512_set1_epi64(56)) == 0) [[likely]] {
    _mm512_store_si512(out, _mm512_or_si512(even, _mm512_sllv_epi64(odd, even_length)));
    _mm512_store_si512(out_length, pair_length);
#pragma GCC unroll 8
    for (std::size_t k = 0; k < 8; ++k) sink.append(out[k], out_length[k]);
    return;
  }
  alignas(64) std::uint64_t more[8], more_length[8];
  _mm512_store_si512(out, even);
  _mm512_store_si512(out_length, even_length);
  _mm512_store_si512(more, odd);
  _mm512_store_si512(more_length, odd_length);
  for (std::size_t k = 0; k < 8; ++k) {
    sink.append(out[k], out_length[k]);
    sink.append(more[k], more_length[k]);
  }
}

template <unsigned kWidth>
CAIRN_AVX512 std::size_t split(const std::byte* content, const std::byte* base, std::size_t count, ElementLayout layout,
                               std::byte* tokens, BitSink& sink) noexcept {
  const __m512i flip = flip_of<kWidth>(layout);
  const __m512i one = _mm512_set1_epi32(1);
  BitSink local = sink;
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m512i to = ordered(load_top<kWidth>(content + i * kWidth), flip);
    const __m512i of = ordered(load_top<kWidth>(base + i * kWidth), flip);
    const __m512i difference = _mm512_srai_epi32(_mm512_sub_epi32(to, of), 32 - 8 * kWidth);
    const __m512i z = _mm512_xor_si512(_mm512_slli_epi32(difference, 1), _mm512_srai_epi32(difference, 31));
    const __mmask16 large = _mm512_cmpge_epu32_mask(z, _mm512_set1_epi32(kPlainTokens));
    const __m512i low = _mm512_maskz_sub_epi32(large, _mm512_set1_epi32(29), _mm512_lzcnt_epi32(z));
    const __m512i above = _mm512_srlv_epi32(z, low);  // of a large one: 4 to 7
    // 16 + 4 × (low − 2) + (above − 4)
    const __m512i token =
        _mm512_mask_add_epi32(z, large, _mm512_slli_epi32(low, 2), _mm512_add_epi32(above, _mm512_set1_epi32(4)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(tokens + i), _mm512_cvtepi32_epi8(token));
    if (large == 0) continue;
    const __m512i mask = _mm512_sub_epi32(_mm512_sllv_epi32(one, low), one);
    const __m512i bits = _mm512_and_si512(z, mask);
    if constexpr (kWidth == 4) {
      append_pairs(bits, low, local);
    } else {
      append_fours(bits, low, local);
    }
  }
  sink = local;
  return i;
}

// Of each lane: the sum of all lanes before it.
CAIRN_AVX512 CAIRN_INLINE __m512i sums_before(__m512i x) noexcept {
  const __m512i zero = _mm512_setzero_si512();
  x = _mm512_alignr_epi32(x, zero, 15);
  x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 15));
  x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 14));
  x = _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 12));
  return _mm512_add_epi32(x, _mm512_alignr_epi32(x, zero, 8));
}

// Of each lane of 32 (64) bits the bytes that begin at byte `from` of the row: indexes for a shuffle of bytes.
CAIRN_AVX512 CAIRN_INLINE __m512i four_bytes_from(__m512i from) noexcept {
  const __m512i first = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0x00000000);
  return _mm512_add_epi8(_mm512_shuffle_epi8(from, first), _mm512_set1_epi32(0x03020100));
}
CAIRN_AVX512 CAIRN_INLINE __m512i eight_bytes_from(__m512i from) noexcept {
  const __m512i first = _mm512_set4_epi32(0x08080808, 0x08080808, 0x00000000, 0x00000000);
  return _mm512_add_epi8(_mm512_shuffle_epi8(from, first), _mm512_set1_epi64(0x0706050403020100));
}

// The bits that begin at `position` after `from`, `length` of them. They lie near each other, so that
// shuffles of a register or two find them.
template <unsigned kWidth>
CAIRN_AVX512 CAIRN_INLINE __m512i gather_bits(const std::byte* from, __m512i position, __m512i length) noexcept {
  const __m512i byte = _mm512_srli_epi32(position, 3);
  const __m512i skip = _mm512_and_si512(position, _mm512_set1_epi32(7));
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i mask = _mm512_sub_epi32(_mm512_sllv_epi32(one, length), one);
  const __m512i row = _mm512_loadu_si512(from);
  if constexpr (kWidth < 4) {
    const __m512i found = _mm512_permutexvar_epi8(four_bytes_from(byte), row);
    return _mm512_and_si512(_mm512_srlv_epi32(found, skip), mask);
  }
  const __m512i next = _mm512_loadu_si512(from + 64);
  const auto half = [&](__m256i bytes, __m256i skips) CAIRN_AVX512 {
    const __m512i found = _mm512_permutex2var_epi8(row, eight_bytes_from(_mm512_cvtepu32_epi64(bytes)), next);
    return _mm512_cvtepi64_epi32(_mm512_srlv_epi64(found, _mm512_cvtepu32_epi64(skips)));
  };
  const __m256i low = half(_mm512_castsi512_si256(byte), _mm512_castsi512_si256(skip));
  const __m256i high = half(_mm512_extracti64x4_epi64(byte, 1), _mm512_extracti64x4_epi64(skip, 1));
  return _mm512_and_si512(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1), mask);
}

template <unsigned kWidth>
CAIRN_AVX512 std::size_t join(Bytes tokens, Bytes low_bits, std::uint64_t& bit, const std::byte* base,
                              ElementLayout layout, std::byte* content) noexcept {
  const __m512i flip = flip_of<kWidth>(layout);
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i three = _mm512_set1_epi32(3);
  LowBits from(low_bits);
  std::uint64_t at = bit;
  std::size_t i = 0;
  for (; i + 16 <= tokens.size(); i += 16) {
    const __m512i token = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(tokens.data() + i)));
    if (_mm512_cmpge_epu32_mask(token, _mm512_set1_epi32(static_cast<int>(token_count(kWidth)))) != 0) [[unlikely]]
      break;
    const __mmask16 large = _mm512_cmpge_epu32_mask(token, _mm512_set1_epi32(kPlainTokens));
    __m512i z = token;
    if (large != 0) {
      const __m512i low = _mm512_maskz_sub_epi32(large, _mm512_srli_epi32(token, 2), _mm512_set1_epi32(2));
      const __m512i before = sums_before(low);
      const __m512i position = _mm512_add_epi32(before, _mm512_set1_epi32(static_cast<int>(at % 8)));
      const __m512i end = _mm512_add_epi32(before, low);
      const auto length = static_cast<unsigned>(_mm_extract_epi32(_mm512_extracti32x4_epi32(end, 3), 3));
      if (length > from.bits() - at) [[unlikely]]
        break;
      const __m512i bits = gather_bits<kWidth>(from.at(at), position, low);
      const __m512i above = _mm512_or_si512(_mm512_and_si512(token, three), _mm512_set1_epi32(4));
      z = _mm512_mask_or_epi32(token, large, _mm512_sllv_epi32(above, low), bits);
      at += length;
    }
    const __m512i negative = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_and_si512(z, one));
    const __m512i difference = _mm512_xor_si512(_mm512_srli_epi32(z, 1), negative);
    const __m512i of = ordered(load_top<kWidth>(base + i * kWidth), flip);
    const __m512i to = _mm512_add_epi32(of, _mm512_slli_epi32(difference, 32 - 8 * kWidth));
    store_top<kWidth>(content + i * kWidth, ordered(to, flip));
  }
  bit = at;
  return i;
}

// --- Thirty-two elements of two bytes ---

// Of each lane of 16 bits: the sum of all lanes before it and its own.
CAIRN_AVX512 CAIRN_INLINE __m512i sums_to_here(__m512i x) noexcept {
  const __m512i zero = _mm512_setzero_si512();
  x = _mm512_add_epi16(x, _mm512_bslli_epi128(x, 2));
  x = _mm512_add_epi16(x, _mm512_bslli_epi128(x, 4));
  x = _mm512_add_epi16(x, _mm512_bslli_epi128(x, 8));
  // The last of each eight, for the eights that follow.
  const __m512i last = _mm512_shuffle_epi8(x, _mm512_set1_epi16(0x0f0e));
  const __m512i one_on = _mm512_alignr_epi64(last, zero, 6), two_on = _mm512_alignr_epi64(last, zero, 4);
  x = _mm512_add_epi16(x, _mm512_add_epi16(one_on, two_on));
  return _mm512_add_epi16(x, _mm512_alignr_epi64(last, zero, 2));
}

CAIRN_AVX512 CAIRN_INLINE __m512i ordered_16(__m512i bits, __m512i flip) noexcept {
  return _mm512_xor_si512(bits, _mm512_and_si512(_mm512_srai_epi16(bits, 15), flip));
}

// The bits that begin at `position` after `from`, `length` of them, 13 at most. They are within 64 bytes.
CAIRN_AVX512 CAIRN_INLINE __m512i gather_bits_16(const std::byte* from, __m512i position, __m512i length) noexcept {
  const __m512i one = _mm512_set1_epi16(1);
  const __m512i byte = _mm512_srli_epi16(position, 3);
  const __m512i bytes = _mm512_add_epi16(_mm512_or_si512(byte, _mm512_slli_epi16(byte, 8)), _mm512_set1_epi16(0x0100));
  const __m512i row = _mm512_loadu_si512(from);
  const __m512i low = _mm512_permutexvar_epi8(bytes, row);
  const __m512i high = _mm512_permutexvar_epi8(_mm512_add_epi16(bytes, _mm512_set1_epi16(0x0202)), row);
  const __m512i found = _mm512_shrdv_epi16(low, high, _mm512_and_si512(position, _mm512_set1_epi16(7)));
  return _mm512_and_si512(found, _mm512_sub_epi16(_mm512_sllv_epi16(one, length), one));
}

CAIRN_AVX512 std::size_t join_16(Bytes tokens, Bytes low_bits, std::uint64_t& bit, const std::byte* base,
                                 ElementLayout layout, std::byte* content) noexcept {
  const __m512i flip = _mm512_set1_epi16(layout.floating() ? 0x7fff : 0);
  const __m512i one = _mm512_set1_epi16(1), two = _mm512_set1_epi16(2);
  LowBits from(low_bits);
  std::uint64_t at = bit;
  std::size_t i = 0;
  for (; i + 32 <= tokens.size(); i += 32) {
    const __m512i token = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(tokens.data() + i)));
    if (_mm512_cmpge_epu16_mask(token, _mm512_set1_epi16(static_cast<short>(token_count(2)))) != 0) [[unlikely]]
      break;
    const __mmask32 large = _mm512_cmpge_epu16_mask(token, _mm512_set1_epi16(kPlainTokens));
    __m512i z = token;
    if (large != 0) {
      const __m512i low = _mm512_maskz_sub_epi16(large, _mm512_srli_epi16(token, 2), two);
      const __m512i end = sums_to_here(low);
      const auto length = static_cast<unsigned>(_mm_extract_epi16(_mm512_extracti32x4_epi32(end, 3), 7));
      if (length > from.bits() - at) [[unlikely]]
        break;
      const __m512i position =
          _mm512_add_epi16(_mm512_sub_epi16(end, low), _mm512_set1_epi16(static_cast<short>(at % 8)));
      const __m512i bits = gather_bits_16(from.at(at), position, low);
      const __m512i above = _mm512_or_si512(_mm512_and_si512(token, _mm512_set1_epi16(3)), _mm512_set1_epi16(4));
      z = _mm512_mask_mov_epi16(token, large, _mm512_or_si512(_mm512_sllv_epi16(above, low), bits));
      at += length;
    }
    const __m512i negative = _mm512_sub_epi16(_mm512_setzero_si512(), _mm512_and_si512(z, one));
    const __m512i difference = _mm512_xor_si512(_mm512_srli_epi16(z, 1), negative);
    const __m512i of = ordered_16(_mm512_loadu_si512(base + 2 * i), flip);
    _mm512_storeu_si512(content + 2 * i, ordered_16(_mm512_add_epi16(of, difference), flip));
  }
  bit = at;
  return i;
}

template <unsigned kWidth>
CAIRN_AVX512 std::size_t contexts_of(const std::byte* base, std::size_t count, ElementLayout layout, unsigned top,
                                     unsigned contexts, std::byte* out) noexcept {
  const __m512i mask = _mm512_set1_epi32((1 << layout.exponent_bits) - 1);
  const __m512i highest = _mm512_set1_epi32(static_cast<int>(top));
  const __m512i last = _mm512_set1_epi32(static_cast<int>(contexts) - 1);
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m512i bits = load_lanes<kWidth>(base + i * kWidth);
    const __m512i exponent = _mm512_and_si512(_mm512_srli_epi32(bits, layout.exponent_shift), mask);
    const __m512i below = _mm512_sub_epi32(_mm512_max_epu32(highest, exponent), exponent);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm512_cvtepi32_epi8(_mm512_min_epu32(below, last)));
  }
  return i;
}

}  // namespace

std::size_t split_differences_avx512(const std::byte* content, const std::byte* base, std::size_t count,
                                     ElementLayout layout, std::byte* tokens, BitSink& sink) noexcept {
  if (layout.width == 1) return split<1>(content, base, count, layout, tokens, sink);
  if (layout.width == 2) return split<2>(content, base, count, layout, tokens, sink);
  return layout.width == 4 ? split<4>(content, base, count, layout, tokens, sink) : 0;
}

std::size_t join_differences_avx512(Bytes tokens, Bytes low_bits, std::uint64_t& bit, const std::byte* base,
                                    ElementLayout layout, std::byte* content) noexcept {
  if (layout.width == 1) return join<1>(tokens, low_bits, bit, base, layout, content);
  if (layout.width == 2) return join_16(tokens, low_bits, bit, base, layout, content);
  return layout.width == 4 ? join<4>(tokens, low_bits, bit, base, layout, content) : 0;
}

std::size_t exponent_contexts_avx512(const std::byte* base, std::size_t count, ElementLayout layout, unsigned top,
                                     unsigned contexts, std::byte* out) noexcept {
  if (layout.width == 1) return contexts_of<1>(base, count, layout, top, contexts, out);
  if (layout.width == 2) return contexts_of<2>(base, count, layout, top, contexts, out);
  return layout.width == 4 ? contexts_of<4>(base, count, layout, top, contexts, out) : 0;
}

}  // namespace cairn

#endif
