// SPDX-License-Identifier: Apache-2.0
#include "engine/delta/comparison.h"
#include "engine/base/default_rounding.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/delta/float_values.h"

namespace cairn {
namespace {

constexpr std::size_t kAtOnce = 512;  // elements that are summed before their sums are added

template <class T>
void widen(Bytes from, double* to) noexcept {
  for (std::size_t i = 0; i < from.size() / sizeof(T); ++i) {
    T value;
    std::memcpy(&value, from.data() + i * sizeof(T), sizeof(T));
    to[i] = static_cast<double>(value);
  }
}

// Integers of 64 bits are rounded: these are for sums of products, not for differences.
void to_numbers(DType dtype, ElementType type, Bytes from, double* to) noexcept {
  if (type.floating()) return to_doubles(dtype, from.data(), from.size() / type.width, to);
  const bool with_sign = type.number == ElementType::Number::signed_integer;
  switch (type.width) {
    case 1: return with_sign ? widen<std::int8_t>(from, to) : widen<std::uint8_t>(from, to);
    case 2: return with_sign ? widen<std::int16_t>(from, to) : widen<std::uint16_t>(from, to);
    case 4: return with_sign ? widen<std::int32_t>(from, to) : widen<std::uint32_t>(from, to);
    default: return with_sign ? widen<std::int64_t>(from, to) : widen<std::uint64_t>(from, to);
  }
}

}  // namespace

void Comparison::add(Bytes target, Bytes base) {
  const std::size_t width = std::max(1U, type_.complex ? 2 * type_.width : type_.width);
  for (std::size_t at = 0; at < target.size(); at += width) {
    statistics_.equal += std::memcmp(target.data() + at, base.data() + at, width) == 0 ? 1 : 0;
  }
  statistics_.elements += target.size() / width;
  if (type_.number == ElementType::Number::none) return;
  const DefaultRounding rounding;
  add_numbers(target, base);
}

[[gnu::noinline]] void Comparison::add_numbers(Bytes target, Bytes base) {
  const std::size_t count = target.size() / type_.width;
  distances_.resize(count);
  x_.resize(count);
  y_.resize(count);
  distances(dtype_, target, base, distances_.data());
  to_numbers(dtype_, type_, target, x_.data());
  to_numbers(dtype_, type_, base, y_.data());
  // In doubles as far as they go.
  for (std::size_t at = 0; at < count; at += kAtOnce) {
    const std::size_t end = std::min(at + kAtOnce, count);
    const Sums<double> sums = sum<double>(at, end);
    if (std::isfinite(sums.all())) {
      add_sums(sums);
    } else {
      add_sums(sum<long double>(at, end));
    }
  }
}

template <class Real>
Comparison::Sums<Real> Comparison::sum(std::size_t from, std::size_t to) {
  Sums<Real> sums;
  const bool floating = type_.floating();
  for (std::size_t i = from; i < to; ++i) {
    const double x = x_[i], y = y_[i];
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    ++sums.compared;
    sums.zeros += x == 0 ? 1 : 0;
    // Too far apart for a double: as far as one goes.
    const bool too_far = distances_[i] == kNoSize && floating;
    const Size away = too_far ? std::bit_cast<Size>(std::numeric_limits<double>::max()) : distances_[i];
    sums.largest = std::max(sums.largest, away);
    const Real difference = floating ? static_cast<Real>(std::bit_cast<double>(away)) : static_cast<Real>(away);
    sums.sum += difference;
    sums.squares += difference * difference;
    sums.product += static_cast<Real>(x) * static_cast<Real>(y);
    sums.of_target += static_cast<Real>(x) * static_cast<Real>(x);
    sums.of_base += static_cast<Real>(y) * static_cast<Real>(y);
  }
  return sums;
}

template <class Real>
void Comparison::add_sums(const Sums<Real>& sums) {
  all_.compared += sums.compared;
  all_.zeros += sums.zeros;
  all_.largest = std::max(all_.largest, sums.largest);
  all_.sum += sums.sum;
  all_.squares += sums.squares;
  all_.product += sums.product;
  all_.of_target += sums.of_target;
  all_.of_base += sums.of_base;
}

DeltaStatistics Comparison::finish() const {
  DeltaStatistics statistics = statistics_;
  if (type_.number == ElementType::Number::none) return statistics;
  DeltaStatistics::Numbers numbers{.compared = all_.compared};
  const auto count = static_cast<long double>(std::max<std::uint64_t>(all_.compared, 1));
  numbers.max_difference = to_double_up(dtype_, all_.largest);
  numbers.mean_difference = static_cast<double>(all_.sum / count);
  numbers.l2 = static_cast<double>(std::sqrt(all_.squares));
  numbers.zeros = static_cast<double>(static_cast<long double>(all_.zeros) / count);
  if (all_.of_target > 0 && all_.of_base > 0) {
    const long double cosine = all_.product / (std::sqrt(all_.of_target) * std::sqrt(all_.of_base));
    numbers.cosine = static_cast<double>(std::clamp(cosine, -1.0L, 1.0L));
  }
  statistics.numbers = numbers;
  return statistics;
}

}  // namespace cairn
