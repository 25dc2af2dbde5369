// SPDX-License-Identifier: Apache-2.0
#include "engine/delta/float_values.h"

#include <bit>
#include <cmath>
#include <limits>

#include "engine/base/endian.h"

namespace cairn {
namespace {

constexpr unsigned kDoubleMantissa = 52;
constexpr std::uint64_t kDoubleSign = std::uint64_t{1} << 63;

// What the highest exponent, or a zero with a sign, stands for.
enum class Special : std::uint8_t {
  ieee,        // infinities and NaNs
  one_nan,     // NaN where all bits are ones, and no infinities
  minus_zero,  // NaN instead of -0, and no infinities
};

// A float of at most 16 bits.
template <class U, unsigned kExponent, unsigned kMantissa, int kBias, Special kSpecial>
struct SmallFloat {
  static constexpr U kSign = static_cast<U>(1U << (kExponent + kMantissa));
  static constexpr U kMagnitude = static_cast<U>(kSign - 1);
  static constexpr U kInfinity = static_cast<U>(((1U << kExponent) - 1) << kMantissa);
  static constexpr U kNan = kSpecial == Special::ieee      ? static_cast<U>(kInfinity | 1U << (kMantissa - 1))
                            : kSpecial == Special::one_nan ? kMagnitude
                                                           : kSign;
  static constexpr U kLargest = kSpecial == Special::ieee      ? static_cast<U>(kInfinity - 1)
                                : kSpecial == Special::one_nan ? static_cast<U>(kMagnitude - 1)
                                                               : kMagnitude;

  static double to_double(U bits) noexcept {
    if constexpr (kSpecial == Special::minus_zero) {
      if (bits == kNan) return std::numeric_limits<double>::quiet_NaN();
    }
    const std::uint64_t sign = (bits & kSign) != 0 ? kDoubleSign : 0;
    const auto magnitude = static_cast<U>(bits & kMagnitude);
    if (magnitude > kLargest) {
      const bool infinite = kSpecial == Special::ieee && magnitude == kInfinity;
      const double value =
          infinite ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
      return sign != 0 ? -value : value;
    }
    const unsigned exponent = magnitude >> kMantissa;
    const std::uint64_t mantissa = magnitude & ((1U << kMantissa) - 1);
    if (exponent == 0) {
      constexpr int kUnit = 1 - kBias - static_cast<int>(kMantissa);
      const double unit = std::bit_cast<double>(static_cast<std::uint64_t>(1023 + kUnit) << kDoubleMantissa);
      const double value = static_cast<double>(mantissa) * unit;
      return sign != 0 ? -value : value;
    }
    const std::uint64_t wide = static_cast<std::uint64_t>(static_cast<int>(exponent) - kBias + 1023);
    return std::bit_cast<double>(sign | wide << kDoubleMantissa | mantissa << (kDoubleMantissa - kMantissa));
  }

  static U from_double(double value) noexcept {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    const U sign = (bits & kDoubleSign) != 0 ? kSign : U{0};
    const std::uint64_t magnitude = bits & ~kDoubleSign;
    constexpr std::uint64_t kDoubleInfinity = std::uint64_t{2047} << kDoubleMantissa;
    if (magnitude > kDoubleInfinity) return kNan;
    if (magnitude == kDoubleInfinity) return too_large(sign);
    const int exponent = static_cast<int>(magnitude >> kDoubleMantissa) - 1023 + kBias;
    if (exponent > 0) {
      // The mantissa is rounded where it is, and may carry into the exponent.
      constexpr unsigned kShift = kDoubleMantissa - kMantissa;
      const std::uint64_t half = (std::uint64_t{1} << (kShift - 1)) - 1 + (magnitude >> kShift & 1);
      const std::uint64_t rounded =
          ((magnitude + half) >> kShift) - (static_cast<std::uint64_t>(1023 - kBias) << kMantissa);
      return rounded > kLargest ? too_large(sign) : static_cast<U>(sign | rounded);
    }
    const std::uint64_t mantissa = (magnitude & ((std::uint64_t{1} << kDoubleMantissa) - 1)) | std::uint64_t{1}
                                                                                                   << kDoubleMantissa;
    const int shift = static_cast<int>(kDoubleMantissa - kMantissa) + 1 - exponent;
    std::uint64_t rounded = 0;  // mantissa / 2^shift; below half of one it is zero
    if (shift <= static_cast<int>(kDoubleMantissa) + 1) {
      const std::uint64_t rest = mantissa & ((std::uint64_t{1} << shift) - 1), half = std::uint64_t{1} << (shift - 1);
      rounded = mantissa >> shift;
      if (rest > half || (rest == half && (rounded & 1) != 0)) ++rounded;
    }
    const auto small = static_cast<U>(rounded);
    return kSpecial == Special::minus_zero && small == 0 ? U{0} : static_cast<U>(sign | small);
  }

 private:
  static U too_large(U sign) noexcept { return kSpecial == Special::ieee ? static_cast<U>(sign | kInfinity) : kNan; }
};

using F16 = SmallFloat<std::uint16_t, 5, 10, 15, Special::ieee>;
using BF16 = SmallFloat<std::uint16_t, 8, 7, 127, Special::ieee>;
using E4M3 = SmallFloat<std::uint8_t, 4, 3, 7, Special::one_nan>;
using E5M2 = SmallFloat<std::uint8_t, 5, 2, 15, Special::ieee>;
using E4M3FNUZ = SmallFloat<std::uint8_t, 4, 3, 8, Special::minus_zero>;
using E5M2FNUZ = SmallFloat<std::uint8_t, 5, 2, 16, Special::minus_zero>;

template <class Small, class U>
void widen(const std::byte* from, std::size_t count, double* to) noexcept {
  for (std::size_t i = 0; i < count; ++i) to[i] = Small::to_double(load_le<U>(from + i * sizeof(U)));
}
template <class Small, class U>
void narrow(const double* from, std::size_t count, std::byte* to) noexcept {
  for (std::size_t i = 0; i < count; ++i) store_le<U>(to + i * sizeof(U), Small::from_double(from[i]));
}

}  // namespace

void to_doubles(DType dtype, const std::byte* from, std::size_t count, double* to) noexcept {
  switch (dtype) {
    case DType::f64:
    case DType::complex128:
      for (std::size_t i = 0; i < count; ++i) to[i] = std::bit_cast<double>(load_le<std::uint64_t>(from + 8 * i));
      break;
    case DType::f32:
    case DType::complex64:
      for (std::size_t i = 0; i < count; ++i) to[i] = std::bit_cast<float>(load_le<std::uint32_t>(from + 4 * i));
      break;
    case DType::bf16:
      for (std::size_t i = 0; i < count; ++i) {
        to[i] = std::bit_cast<float>(std::uint32_t{load_le<std::uint16_t>(from + 2 * i)} << 16);
      }
      break;
    case DType::f8_e4m3: widen<E4M3, std::uint8_t>(from, count, to); break;
    case DType::f8_e5m2: widen<E5M2, std::uint8_t>(from, count, to); break;
    case DType::f8_e4m3fnuz: widen<E4M3FNUZ, std::uint8_t>(from, count, to); break;
    case DType::f8_e5m2fnuz: widen<E5M2FNUZ, std::uint8_t>(from, count, to); break;
    default: widen<F16, std::uint16_t>(from, count, to); break;
  }
}

void from_doubles(DType dtype, const double* from, std::size_t count, std::byte* to) noexcept {
  switch (dtype) {
    case DType::f64:
    case DType::complex128:
      for (std::size_t i = 0; i < count; ++i) store_le(to + 8 * i, std::bit_cast<std::uint64_t>(from[i]));
      break;
    case DType::f32:
    case DType::complex64:
      for (std::size_t i = 0; i < count; ++i) {
        store_le(to + 4 * i, std::bit_cast<std::uint32_t>(static_cast<float>(from[i])));
      }
      break;
    case DType::bf16: narrow<BF16, std::uint16_t>(from, count, to); break;
    case DType::f8_e4m3: narrow<E4M3, std::uint8_t>(from, count, to); break;
    case DType::f8_e5m2: narrow<E5M2, std::uint8_t>(from, count, to); break;
    case DType::f8_e4m3fnuz: narrow<E4M3FNUZ, std::uint8_t>(from, count, to); break;
    case DType::f8_e5m2fnuz: narrow<E5M2FNUZ, std::uint8_t>(from, count, to); break;
    default: narrow<F16, std::uint16_t>(from, count, to); break;
  }
}

}  // namespace cairn
