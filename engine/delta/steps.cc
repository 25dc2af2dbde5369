// SPDX-License-Identifier: Apache-2.0
#include "engine/delta/steps.h"
#include "engine/base/default_rounding.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/base/endian.h"
#include "engine/delta/element_type.h"
#include "engine/delta/float_values.h"

namespace cairn {
namespace {

constexpr std::size_t kAtOnce = 512;  // elements whose numbers are in the nearest cache
constexpr Size kInfinity = std::bit_cast<Size>(std::numeric_limits<double>::infinity());
constexpr double kTwo64 = 18446744073709551616.0;

using Number = ElementType::Number;

double real(Size size) noexcept { return std::bit_cast<double>(size); }
Size size_of(double size) noexcept { return std::bit_cast<Size>(size); }

// --- Integers, as 64 bits with their sign extended ---

template <class T>
void widen(const std::byte* from, std::size_t count, std::uint64_t* to) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));
    to[i] = static_cast<std::uint64_t>(value);
  }
}
void to_integers(ElementType type, const std::byte* from, std::size_t count, std::uint64_t* to) noexcept {
  const bool with_sign = type.number == Number::signed_integer;
  switch (type.width) {
    case 1: return with_sign ? widen<std::int8_t>(from, count, to) : widen<std::uint8_t>(from, count, to);
    case 2: return with_sign ? widen<std::int16_t>(from, count, to) : widen<std::uint16_t>(from, count, to);
    case 4: return with_sign ? widen<std::int32_t>(from, count, to) : widen<std::uint32_t>(from, count, to);
    default: return widen<std::uint64_t>(from, count, to);
  }
}
void store_integer(unsigned width, std::uint64_t value, std::byte* to) noexcept { std::memcpy(to, &value, width); }

bool is_less(bool with_sign, std::uint64_t a, std::uint64_t b) noexcept {
  return with_sign ? static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b) : a < b;
}

// --- Floats ---

// |a - b| in doubles, rounded up: the rounding error of a difference is itself a double.
Size distance(double a, double b) noexcept {
  const double difference = a - b;
  const double of_b = difference - a;
  const double lost = (a - (difference - of_b)) + (-b - of_b);
  // One more in the last place if what was lost is not nothing, and away from zero: without a branch, which nobody
  // foresees.
  const Size same_sign = ~(size_of(difference) ^ size_of(lost)) >> 63;
  const Size size = size_of(std::abs(difference)) + (same_sign & static_cast<Size>(lost != 0));
  return size < kInfinity ? size : kNoSize;
}

// Rounded to nearest even, of numbers that are not large.
double rounded(double value) noexcept {
  constexpr double kShift = 6755399441055744.0;  // 1.5 × 2^52: no bits are left for a fraction
  return (value + kShift) - kShift;
}

template <class F>
void in_parts(std::size_t count, F&& part) {
  for (std::size_t at = 0; at < count; at += kAtOnce) part(at, std::min(kAtOnce, count - at));
}

template <class U>
void keep_where_still(const std::int16_t* steps, std::size_t count, const std::byte* base, std::byte* into) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const U moved = load_le<U>(into + i * sizeof(U)), still = load_le<U>(base + i * sizeof(U));
    store_le(into + i * sizeof(U), steps[i] == 0 ? still : moved);
  }
}
void keep_where_still(unsigned width, const std::int16_t* steps, std::size_t count, const std::byte* base,
                      std::byte* into) noexcept {
  switch (width) {
    case 1: return keep_where_still<std::uint8_t>(steps, count, base, into);
    case 2: return keep_where_still<std::uint16_t>(steps, count, base, into);
    case 4: return keep_where_still<std::uint32_t>(steps, count, base, into);
    default: return keep_where_still<std::uint64_t>(steps, count, base, into);
  }
}

// Compiled apart from where the rounding is set, as are those below. A quotient is one unit of last place too small at
// most.
[[gnu::noinline]] Size float_step_for(Size range, unsigned steps) noexcept {
  const Size step = size_of(real(range) / steps);
  return real(step) * steps < real(range) ? step + 1 : step;
}

// Half a step, and half a unit of last place for the rounding to the element's type, which is coarse where elements
// are small: no smaller than what is wanted where it matters at all.
[[gnu::noinline]] Size float_step_within(unsigned width, Size error) noexcept {
  const double step = real(error) * (width <= 2 ? 1.0 : 2.0 - 1.0 / 128);
  return std::isfinite(step) ? size_of(step) : size_of(std::numeric_limits<double>::max());
}

[[gnu::noinline]] void float_distances(DType dtype, unsigned width, Bytes a, Bytes b, Size* out) noexcept {
  std::array<double, kAtOnce> x, y;
  in_parts(a.size() / width, [&](std::size_t at, std::size_t count) {
    const std::byte *const from_a = a.data() + at * width, *const from_b = b.data() + at * width;
    to_doubles(dtype, from_a, count, x.data());
    to_doubles(dtype, from_b, count, y.data());
    for (std::size_t i = 0; i < count; ++i) {
      out[at + i] = distance(x[i], y[i]);
      if (out[at + i] == kNoSize && std::memcmp(from_a + i * width, from_b + i * width, width) == 0) out[at + i] = 0;
    }
  });
}

[[gnu::noinline]] void float_count_steps(DType dtype, unsigned width, Bytes target, Bytes base, const Size* step,
                                         double most, std::int16_t* steps) noexcept {
  std::array<double, kAtOnce> x, y;
  in_parts(target.size() / width, [&](std::size_t at, std::size_t count) {
    to_doubles(dtype, target.data() + at * width, count, x.data());
    to_doubles(dtype, base.data() + at * width, count, y.data());
    for (std::size_t i = 0; i < count; ++i) {
      const double wanted = (x[i] - y[i]) / real(step[at + i]);
      const double possible = wanted > most ? most : wanted < -most ? -most : wanted;
      steps[at + i] = possible == possible ? static_cast<std::int16_t>(rounded(possible)) : std::int16_t{0};
    }
  });
}

[[gnu::noinline]] void float_take_steps(DType dtype, unsigned width, Bytes base, const Size* step,
                                        const std::int16_t* steps, MutableBytes into) noexcept {
  std::array<double, kAtOnce> x;
  in_parts(base.size() / width, [&](std::size_t at, std::size_t count) {
    to_doubles(dtype, base.data() + at * width, count, x.data());
    for (std::size_t i = 0; i < count; ++i) x[i] = x[i] + static_cast<double>(steps[at + i]) * real(step[at + i]);
    from_doubles(dtype, x.data(), count, into.data() + at * width);
    keep_where_still(width, steps + at, count, base.data() + at * width, into.data() + at * width);
  });
}

}  // namespace

Size size_within(DType dtype, double bound) noexcept {
  if (element_type(dtype).floating()) return size_of(std::abs(bound));  // not -0
  return bound >= kTwo64 ? kNoSize - 1 : static_cast<Size>(bound);
}

double to_double_up(DType dtype, Size size) noexcept {
  if (element_type(dtype).floating()) return real(size);
  const auto nearest = static_cast<double>(size);
  const bool below = nearest < kTwo64 && static_cast<Size>(nearest) < size;
  return below ? std::nextafter(nearest, kTwo64) : nearest;
}

bool is_step(DType dtype, Size size) noexcept { return !element_type(dtype).floating() || size < kInfinity; }

Size step_for(DType dtype, Size range, unsigned steps) noexcept {
  if (!element_type(dtype).floating()) return range / steps + (range % steps != 0 ? 1 : 0);
  const DefaultRounding rounding;
  return float_step_for(range, steps);
}

Size step_within(DType dtype, Size error) noexcept {
  const ElementType type = element_type(dtype);
  if (!type.floating()) return error > (kNoSize - 1) / 2 ? kNoSize : 2 * error + 1;
  const DefaultRounding rounding;
  return float_step_within(type.width, error);
}

void distances(DType dtype, Bytes a, Bytes b, Size* out) {
  const ElementType type = element_type(dtype);
  if (type.floating()) {
    const DefaultRounding rounding;
    return float_distances(dtype, type.width, a, b, out);
  }
  std::array<std::uint64_t, kAtOnce> x, y;
  const bool with_sign = type.number == Number::signed_integer;
  in_parts(a.size() / type.width, [&](std::size_t at, std::size_t count) {
    to_integers(type, a.data() + at * type.width, count, x.data());
    to_integers(type, b.data() + at * type.width, count, y.data());
    for (std::size_t i = 0; i < count; ++i) out[at + i] = is_less(with_sign, x[i], y[i]) ? y[i] - x[i] : x[i] - y[i];
  });
}

void count_steps(DType dtype, Bytes target, Bytes base, const Size* step, int most, std::int16_t* steps) {
  const ElementType type = element_type(dtype);
  if (type.floating()) {
    const DefaultRounding rounding;
    return float_count_steps(dtype, type.width, target, base, step, most, steps);
  }
  std::array<std::uint64_t, kAtOnce> x, y;
  const bool with_sign = type.number == Number::signed_integer;
  in_parts(target.size() / type.width, [&](std::size_t at, std::size_t count) {
    to_integers(type, target.data() + at * type.width, count, x.data());
    to_integers(type, base.data() + at * type.width, count, y.data());
    for (std::size_t i = 0; i < count; ++i) {
      const bool down = is_less(with_sign, x[i], y[i]);
      const std::uint64_t size = step[at + i], away = down ? y[i] - x[i] : x[i] - y[i];
      std::uint64_t wanted = size == 0 ? 0 : away / size;
      if (size != 0 && away % size > size / 2) ++wanted;
      const int taken = static_cast<int>(std::min<std::uint64_t>(wanted, static_cast<std::uint64_t>(most)));
      steps[at + i] = static_cast<std::int16_t>(down ? -taken : taken);
    }
  });
}

void take_steps(DType dtype, Bytes base, const Size* step, const std::int16_t* steps, MutableBytes into) {
  const ElementType type = element_type(dtype);
  if (type.floating()) {
    const DefaultRounding rounding;
    return float_take_steps(dtype, type.width, base, step, steps, into);
  }
  std::array<std::uint64_t, kAtOnce> x;
  in_parts(base.size() / type.width, [&](std::size_t at, std::size_t count) {
    to_integers(type, base.data() + at * type.width, count, x.data());
    for (std::size_t i = 0; i < count; ++i) {
      const auto taken = static_cast<std::uint64_t>(static_cast<std::int64_t>(steps[at + i]));
      store_integer(type.width, x[i] + taken * step[at + i], into.data() + (at + i) * type.width);
    }
  });
}

}  // namespace cairn
