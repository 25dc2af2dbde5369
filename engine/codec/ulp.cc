// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/ulp.h"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "engine/codec/ulp_kernels.h"

namespace cairn {
namespace {

template <class U>
constexpr U folded(U difference) noexcept {
  constexpr unsigned kTop = 8 * sizeof(U) - 1;
  return static_cast<U>(static_cast<U>(difference << 1) ^ static_cast<U>(U{0} - (difference >> kTop)));
}
template <class U>
constexpr U unfolded(U z) noexcept {
  return static_cast<U>((z >> 1) ^ static_cast<U>(U{0} - (z & 1)));
}

template <class U>
void split_scalar(const std::byte* content, const std::byte* base, std::size_t from, std::size_t count, bool floating,
                  std::byte* tokens, BitSink& sink) noexcept {
  for (std::size_t i = from; i < count; ++i) {
    const U to = ordered(load_le<U>(content + i * sizeof(U)), floating);
    const U of = ordered(load_le<U>(base + i * sizeof(U)), floating);
    const std::uint64_t z = folded(static_cast<U>(to - of));
    if (z < kPlainTokens) {
      tokens[i] = static_cast<std::byte>(z);
      continue;
    }
    const auto low = static_cast<unsigned>(std::bit_width(z)) - 3;
    tokens[i] = static_cast<std::byte>(kPlainTokens + 4 * (low - 2) + (z >> low & 3));
    const std::uint64_t bits = z & ((std::uint64_t{1} << low) - 1);
    if (low <= 32) {
      sink.append(bits, low);
    } else {
      sink.append(bits & 0xffffffff, 32);
      sink.append(bits >> 32, low - 32);
    }
  }
}

// The bits [bit, bit + length) of `bytes`, which has them; at most 61.
std::uint64_t bits_at(Bytes bytes, std::uint64_t bit, unsigned length) noexcept {
  const std::size_t from = bit / 8;
  const unsigned skip = bit % 8;
  std::uint64_t low = 0, high = 0;
  if (from + 9 <= bytes.size()) {
    low = load_le<std::uint64_t>(bytes.data() + from);
    high = std::to_integer<std::uint64_t>(bytes[from + 8]);
  } else {
    for (std::size_t i = from; i < std::min(from + 8, bytes.size()); ++i) {
      low |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * (i - from));
    }
  }
  std::uint64_t value = low >> skip;
  if (skip != 0) value |= high << (64 - skip);
  return value & ((std::uint64_t{1} << length) - 1);
}

template <class U>
bool join_scalar(Bytes tokens, Bytes low_bits, std::uint64_t& bit, const std::byte* base, std::size_t from,
                 bool floating, std::byte* content) noexcept {
  const std::uint64_t end = std::uint64_t{low_bits.size()} * 8;
  for (std::size_t i = from; i < tokens.size(); ++i) {
    const auto token = std::to_integer<unsigned>(tokens[i]);
    if (token >= token_count(sizeof(U))) return false;
    std::uint64_t z = token;
    if (token >= kPlainTokens) {
      const unsigned low = low_bits_of(token);
      if (low > end - bit) return false;
      z = (std::uint64_t{4} + token % 4) << low | bits_at(low_bits, bit, low);
      bit += low;
    }
    const U of = ordered(load_le<U>(base + i * sizeof(U)), floating);
    const U to = static_cast<U>(of + unfolded(static_cast<U>(z)));
    store_le(content + i * sizeof(U), ordered(to, floating));
  }
  return true;
}

template <class U>
void contexts_scalar(const std::byte* base, std::size_t from, std::size_t count, ElementLayout layout, unsigned top,
                     unsigned contexts, std::byte* out) noexcept {
  const std::uint64_t mask = (std::uint64_t{1} << layout.exponent_bits) - 1;
  for (std::size_t i = from; i < count; ++i) {
    const std::uint64_t exponent = std::uint64_t{load_le<U>(base + i * sizeof(U))} >> layout.exponent_shift & mask;
    out[i] = static_cast<std::byte>(exponent > top ? 0 : std::min<std::uint64_t>(top - exponent, contexts - 1));
  }
}

// Calls `work` with an integer of the elements' width.
template <class Work>
auto with_width(unsigned width, Work&& work) {
  switch (width) {
    case 1: return work(std::uint8_t{});
    case 2: return work(std::uint16_t{});
    case 4: return work(std::uint32_t{});
    default: return work(std::uint64_t{});
  }
}

}  // namespace

ElementLayout element_layout(DType dtype) noexcept {
  switch (dtype) {
    case DType::bf16: return {2, 7, 8};
    case DType::f16:
    case DType::complex32: return {2, 10, 5};
    case DType::f32:
    case DType::complex64: return {4, 23, 8};
    case DType::f64:
    case DType::complex128: return {8, 52, 11};
    case DType::f8_e4m3: return {1, 3, 4};
    case DType::f8_e5m2: return {1, 2, 5};
    case DType::u16:
    case DType::i16: return {2, 0, 0};
    case DType::u32:
    case DType::i32: return {4, 0, 0};
    case DType::u64:
    case DType::i64: return {8, 0, 0};
    default: return {1, 0, 0};
  }
}

std::size_t split_differences(const std::byte* content, const std::byte* base, std::size_t count, ElementLayout layout,
                              std::byte* tokens, std::byte* low_bits, SimdLevel level) noexcept {
  BitSink sink{low_bits};
  std::size_t done = 0;
#if CAIRN_X86_SIMD
  if (level >= SimdLevel::avx512) done = split_differences_avx512(content, base, count, layout, tokens, sink);
#else
  (void)level;
#endif
  with_width(layout.width, [&](auto element) {
    split_scalar<decltype(element)>(content, base, done, count, layout.floating(), tokens, sink);
  });
  return static_cast<std::size_t>(sink.finish() - low_bits);
}

bool join_differences(Bytes tokens, Bytes low_bits, const std::byte* base, ElementLayout layout, std::byte* content,
                      SimdLevel level) noexcept {
  std::uint64_t bit = 0;
  std::size_t done = 0;
#if CAIRN_X86_SIMD
  if (level >= SimdLevel::avx512) done = join_differences_avx512(tokens, low_bits, bit, base, layout, content);
#else
  (void)level;
#endif
  const bool joined = with_width(layout.width, [&](auto element) {
    return join_scalar<decltype(element)>(tokens, low_bits, bit, base, done, layout.floating(), content);
  });
  // At most seven bits of padding, which are zero.
  const std::uint64_t left = std::uint64_t{low_bits.size()} * 8 - bit;
  return joined && left < 8 && (left == 0 || bits_at(low_bits, bit, static_cast<unsigned>(left)) == 0);
}

void exponent_contexts(const std::byte* base, std::size_t count, ElementLayout layout, unsigned top, unsigned contexts,
                       std::byte* out, SimdLevel level) noexcept {
  if (!layout.floating() || contexts == 1) {
    std::fill_n(out, count, std::byte{0});
    return;
  }
  std::size_t done = 0;
#if CAIRN_X86_SIMD
  if (level >= SimdLevel::avx512) done = exponent_contexts_avx512(base, count, layout, top, contexts, out);
#else
  (void)level;
#endif
  with_width(layout.width,
             [&](auto element) { contexts_scalar<decltype(element)>(base, done, count, layout, top, contexts, out); });
}

}  // namespace cairn
