// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/sketch.h"

#include <algorithm>
#include <bit>

#include "engine/base/endian.h"
#include "engine/codec/ulp.h"

namespace cairn {
namespace {

// The same for all blocks of a size: the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
std::uint64_t mixed(std::uint64_t value) noexcept {
  value = (value + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

bool has_sign(DType dtype) noexcept {
  const bool integer = dtype == DType::i8 || dtype == DType::i16 || dtype == DType::i32 || dtype == DType::i64;
  return integer || element_layout(dtype).floating();
}

// Negative values before others.
template <class U>
std::uint32_t sample(const std::byte* element, bool floating, bool sign) noexcept {
  constexpr U kTop = static_cast<U>(U{1} << (8 * sizeof(U) - 1));
  const U value = static_cast<U>(ordered(load_le<U>(element), floating) ^ (sign ? kTop : U{0}));
  if constexpr (sizeof(U) == 8) return static_cast<std::uint32_t>(value >> 32);
  return static_cast<std::uint32_t>(value);
}

unsigned sampled_bits(ElementLayout layout) noexcept { return std::min(8 * layout.width, 32u); }

// From each sample of `a` to that of `b` which is `farther` on.
double distance(const Sketch& a, const Sketch& b, DType dtype, std::size_t farther) noexcept {
  const unsigned bits = sampled_bits(element_layout(dtype));
  const std::uint32_t mask = bits == 32 ? ~std::uint32_t{0} : (std::uint32_t{1} << bits) - 1;
  unsigned long sum = 0;
  for (std::size_t i = 0; i < Sketch::kSamples; ++i) {
    const std::uint32_t of = a.samples[i], to = b.samples[(i + farther) % Sketch::kSamples];
    // As differences are coded: modulo the range, of either sign.
    const std::uint32_t least = std::min((to - of) & mask, (of - to) & mask);
    sum += least == 0 ? 0 : std::min<unsigned>(bits, static_cast<unsigned>(std::bit_width(least)) + 1);
  }
  return static_cast<double>(sum) / static_cast<double>(bits * Sketch::kSamples);
}

}  // namespace

Sketch sketch_of(Bytes content, DType dtype) noexcept {
  const ElementLayout layout = element_layout(dtype);
  const bool floating = layout.floating(), sign = has_sign(dtype);
  const std::uint64_t count = content.size() / layout.width;
  Sketch sketch{};
  for (std::size_t i = 0; i < Sketch::kSamples; ++i) {
    const std::byte* element = content.data() + mixed(i) % count * layout.width;
    switch (layout.width) {
      case 1: sketch.samples[i] = sample<std::uint8_t>(element, floating, sign); break;
      case 2: sketch.samples[i] = sample<std::uint16_t>(element, floating, sign); break;
      case 4: sketch.samples[i] = sample<std::uint32_t>(element, floating, sign); break;
      default: sketch.samples[i] = sample<std::uint64_t>(element, floating, sign); break;
    }
  }
  for (std::size_t i = 0; i < Sketch::kSamples; ++i) {
    const bool rises = sketch.samples[i] < sketch.samples[(i + 1) % Sketch::kSamples];
    sketch.bands[i / 16] = static_cast<std::uint16_t>(sketch.bands[i / 16] << 1 | (rises ? 1 : 0));
  }
  return sketch;
}

double distance(const Sketch& a, const Sketch& b, DType dtype) noexcept { return distance(a, b, dtype, 0); }

double similar_distance(const Sketch& sketch, DType dtype) noexcept {
  const ElementLayout layout = element_layout(dtype);
  if (!layout.floating()) return 0.875 * distance(sketch, sketch, dtype, 1);
  const unsigned unsampled = 8 * layout.width - sampled_bits(layout);
  return static_cast<double>(layout.exponent_shift - unsampled + 2) / sampled_bits(layout);
}

}  // namespace cairn
