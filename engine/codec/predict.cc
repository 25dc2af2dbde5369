// SPDX-License-Identifier: Apache-2.0
//
// engine/CMakeLists.txt forbids fused operations here, and lets a square root be one.
#include "engine/codec/predict.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "engine/base/default_rounding.h"
#include "engine/base/endian.h"

namespace cairn {
namespace {

float element(Bytes bytes, std::size_t i) noexcept {
  return std::bit_cast<float>(load_le<std::uint32_t>(bytes.data() + 4 * i));
}

inline __attribute__((always_inline)) float next_variance(const float* p, float v, float m, float m_next) noexcept {
  const float step = m_next - p[0] * m;
  return p[1] * v + p[2] * step * step;
}
inline __attribute__((always_inline)) float next_weight(const float* p, float w, float m, float v) noexcept {
  return p[0] * w - p[1] * m / (std::sqrt(v) + p[2]);
}

// The payload of a computed NaN differs between processors.
inline __attribute__((always_inline)) float said(float next, float instead) noexcept {
  return next == next ? next : instead;
}

// The loop is written once and compiled for each kind of vector, in functions of their own: nothing of it may
// be computed before the rounding is set.
template <float (*kNext)(const float*, float, float, float) noexcept>
inline __attribute__((always_inline)) void predict_all(const float* p, const std::byte* a, const std::byte* b,
                                                       const std::byte* c, std::size_t count, std::byte* out) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    float x, y, z;
    std::memcpy(&x, a + 4 * i, 4);
    std::memcpy(&y, b + 4 * i, 4);
    std::memcpy(&z, c + 4 * i, 4);
    const float next = said(kNext(p, x, y, z), x);
    std::memcpy(out + 4 * i, &next, 4);
  }
}

inline __attribute__((always_inline)) void predict_any(Predictor predictor, const float* p, const std::byte* a,
                                                       const std::byte* b, const std::byte* c, std::size_t count,
                                                       std::byte* out) noexcept {
  if (predictor == Predictor::adam_variance) {
    predict_all<next_variance>(p, a, b, c, count, out);
  } else {
    predict_all<next_weight>(p, a, b, c, count, out);
  }
}

__attribute__((noinline)) void predict_baseline(Predictor predictor, const float* p, const std::byte* a,
                                                const std::byte* b, const std::byte* c, std::size_t count,
                                                std::byte* out) noexcept {
  predict_any(predictor, p, a, b, c, count, out);
}

#if CAIRN_X86_SIMD
__attribute__((noinline, target("avx2"))) void predict_avx2(Predictor predictor, const float* p, const std::byte* a,
                                                            const std::byte* b, const std::byte* c, std::size_t count,
                                                            std::byte* out) noexcept {
  predict_any(predictor, p, a, b, c, count, out);
}
#endif

// --- Finding the rates ---

struct Sample {
  std::vector<float> target, x, y, z;
};

constexpr std::size_t kSampleMax = 1024;

Sample take_sample(Bytes content, std::span<const Bytes, kPredictorBases> bases) {
  const std::size_t count = content.size() / 4;
  // Odd: rows have even lengths, and every column is to be seen.
  const std::size_t step = (count + kSampleMax - 1) / kSampleMax | 1;
  Sample sample;
  for (std::size_t i = step / 2; i < count && sample.target.size() < kSampleMax; i += step) {
    const float values[] = {element(content, i), element(bases[0], i), element(bases[1], i), element(bases[2], i)};
    if (!std::all_of(std::begin(values), std::end(values), [](float v) { return std::isfinite(v); })) continue;
    sample.target.push_back(values[0]);
    sample.x.push_back(values[1]);
    sample.y.push_back(values[2]);
    sample.z.push_back(values[3]);
  }
  return sample;
}

using Next = float (*)(const float*, float, float, float) noexcept;
using Parameters = std::array<float, 3>;

std::int64_t ordered(float f) noexcept {
  const auto bits = std::bit_cast<std::int32_t>(f);
  return bits < 0 ? bits ^ 0x7fffffff : bits;
}
unsigned bits_between(float predicted, float target) noexcept {
  const std::int64_t difference = ordered(predicted) - ordered(target);
  return static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(difference < 0 ? -difference : difference)));
}

// Bits of the differences that a prediction leaves in the first `count` of the sample.
std::uint64_t cost(const Sample& sample, std::size_t count, Next next, const Parameters& p) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const float predicted = said(next(p.data(), sample.x[i], sample.y[i], sample.z[i]), sample.x[i]);
    sum += bits_between(predicted, sample.target[i]);
  }
  return sum;
}

// The best of what was tried.
struct Best {
  Parameters parameters{};
  std::uint64_t bits = UINT64_MAX;

  void consider(const Sample& sample, std::size_t count, Next next, const Parameters& p) {
    const std::uint64_t sum = cost(sample, count, next, p);
    if (sum < bits) bits = sum, parameters = p;
  }
};

// Solves the symmetric system in place; false when it has no one solution.
bool solve(std::array<std::array<double, 4>, 3>& rows) noexcept {
  for (std::size_t c = 0; c < 3; ++c) {
    std::size_t pivot = c;
    for (std::size_t r = c + 1; r < 3; ++r) {
      if (std::abs(rows[r][c]) > std::abs(rows[pivot][c])) pivot = r;
    }
    if (!(std::abs(rows[pivot][c]) > 0)) return false;
    std::swap(rows[c], rows[pivot]);
    for (std::size_t r = 0; r < 3; ++r) {
      if (r == c) continue;
      const double factor = rows[r][c] / rows[c][c];
      for (std::size_t k = c; k < 4; ++k) rows[r][k] -= factor * rows[c][k];
    }
  }
  for (std::size_t c = 0; c < 3; ++c) rows[c][3] /= rows[c][c];
  return std::isfinite(rows[0][3]) && std::isfinite(rows[1][3]) && std::isfinite(rows[2][3]);
}

// Gauss-Newton for w - w' = d w + a m' / (√v' + e) from a guess of e on. What is small weighs more, as its units
// of last place are smaller; but not without end, where one step is not all that there was.
std::optional<Parameters> fit_rates(const Sample& sample, std::size_t count, double scale, double e, int rounds) {
  double d = 0, a = 0;
  for (int round = 0; round < rounds; ++round) {
    std::array<std::array<double, 4>, 3> rows{};
    for (std::size_t i = 0; i < count; ++i) {
      const double w = sample.x[i], m = sample.y[i], divisor = std::sqrt(double{sample.z[i]}) + e;
      if (!(divisor > 0)) continue;
      const double weight = 1 / (std::abs(double{sample.target[i]}) + scale);
      const double slopes[] = {w * weight, m / divisor * weight, a == 0 ? 0 : -a * m / (divisor * divisor) * weight};
      const double left = (w - sample.target[i] - d * w - a * m / divisor) * weight;
      for (std::size_t r = 0; r < 3; ++r) {
        for (std::size_t c = 0; c < 3; ++c) rows[r][c] += slopes[r] * slopes[c];
        rows[r][3] += slopes[r] * left;
      }
    }
    if (a == 0) rows[2] = {0, 0, 1, 0};
    if (!solve(rows)) return std::nullopt;
    d += rows[0][3];
    a += rows[1][3];
    e = std::max(0.0, e + rows[2][3]);
  }
  // Larger ones are no rates, and no floats.
  if (!(std::abs(d) < 1e30) || !(std::abs(a) < 1e30) || !(e < 1e30)) return std::nullopt;
  return Parameters{static_cast<float>(1 - d), static_cast<float>(a), static_cast<float>(e)};
}

// Few elements tell where to look closer.
constexpr std::size_t kFew = 192;

Best fit_weight(const Sample& sample) {
  const std::size_t count = sample.target.size(), few = std::min(count, kFew);
  double scale = 0;
  for (const float w : sample.target) scale += std::abs(double{w});
  scale /= 64 * static_cast<double>(count);
  // The slope of e is small: without a guess near it the way may lead elsewhere.
  Best guessed;
  for (const double guess : {0.0, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6}) {
    for (const int rounds : {1, 5}) {
      if (const auto p = fit_rates(sample, few, scale, guess, rounds)) guessed.consider(sample, few, next_weight, *p);
    }
  }
  Best best;
  for (const int rounds : {1, 4}) {
    const auto p = fit_rates(sample, count, scale, guessed.parameters[2], rounds);
    if (p) best.consider(sample, count, next_weight, *p);
  }
  // Of the factor of w every last bit counts: half a unit of last place of it is one of the weight.
  Parameters near = best.parameters;
  for (int i = 0; i < 3; ++i) near[0] = std::nextafter(near[0], 0.0F);
  for (int i = 0; i < 7; ++i, near[0] = std::nextafter(near[0], 2.0F)) best.consider(sample, count, next_weight, near);
  return best;
}

// Least squares for v' = q v + r (m' - b1 m)², relative to v'.
std::optional<Parameters> fit_squares(const Sample& sample, double b1) {
  double xx = 0, xs = 0, ss = 0, xt = 0, st = 0;
  for (std::size_t i = 0; i < sample.target.size(); ++i) {
    const double t = sample.target[i];
    if (!(t > 0)) continue;
    const double step = double{sample.z[i]} - b1 * sample.y[i];
    const double x = sample.x[i] / t, s = step * step / t;
    xx += x * x, xs += x * s, ss += s * s, xt += x, st += s;
  }
  const double determinant = xx * ss - xs * xs;
  const double q = (xt * ss - st * xs) / determinant, r = (st * xx - xt * xs) / determinant;
  if (!(std::abs(q) < 1e30) || !(std::abs(r) < 1e30)) return std::nullopt;
  return Parameters{static_cast<float>(b1), static_cast<float>(q), static_cast<float>(r)};
}

// One step with the usual rates, forwards or backwards; or several, of which the rates follow from the values.
Best fit_variance(const Sample& sample) {
  constexpr std::size_t kCloser = 4;
  const std::size_t count = sample.target.size(), few = std::min(count, kFew);
  std::vector<std::pair<std::uint64_t, Parameters>> tried;
  for (const double b1 : {0.9, 0.95, 0.8, 0.5, 0.99, 0.0}) {
    for (const double b2 : {0.999, 0.95, 0.98, 0.99, 0.995, 0.9999}) {
      const double of_squares = (1 - b2) / ((1 - b1) * (1 - b1));
      for (const auto& [rate, squares] : {std::pair(b2, of_squares), std::pair(1 / b2, -of_squares / b2)}) {
        const Parameters p{static_cast<float>(b1), static_cast<float>(rate), static_cast<float>(squares)};
        tried.emplace_back(cost(sample, few, next_variance, p), p);
      }
    }
  }
  std::sort(tried.begin(), tried.end());
  Best best;
  for (std::size_t i = 0; i < kCloser; ++i) best.consider(sample, count, next_variance, tried[i].second);
  double b1 = 1;
  for (int steps = 1; steps <= 50; ++steps) {
    b1 *= 0.9;
    if (steps != 2 && steps != 5 && steps != 10 && steps != 20 && steps != 50) continue;
    if (const auto p = fit_squares(sample, b1)) best.consider(sample, count, next_variance, *p);
  }
  return best;
}

}  // namespace

std::optional<Prediction> fit_prediction(Bytes content, std::span<const Bytes, kPredictorBases> bases) {
  const DefaultRounding rounding;
  const Sample sample = take_sample(content, bases);
  const std::size_t count = sample.target.size();
  if (count < 64) return std::nullopt;
  const Best variance = fit_variance(sample), weight = fit_weight(sample);
  // A quarter of a bit for each element less than the first base alone.
  std::uint64_t alone = 0;
  for (std::size_t i = 0; i < count; ++i) alone += bits_between(sample.x[i], sample.target[i]);
  if (std::min(variance.bits, weight.bits) + count / 4 >= alone) return std::nullopt;
  if (variance.bits < weight.bits) return Prediction{Predictor::adam_variance, variance.parameters};
  return Prediction{Predictor::adam_weight, weight.parameters};
}

void predict(const Prediction& prediction, std::span<const Bytes, kPredictorBases> bases, std::byte* out,
             SimdLevel level) {
  const DefaultRounding rounding;
  const std::size_t count = bases[0].size() / 4;
  const float* const p = prediction.parameters.data();
#if CAIRN_X86_SIMD
  if (level >= SimdLevel::avx2) {
    return predict_avx2(prediction.predictor, p, bases[0].data(), bases[1].data(), bases[2].data(), count, out);
  }
#else
  (void)level;
#endif
  predict_baseline(prediction.predictor, p, bases[0].data(), bases[1].data(), bases[2].data(), count, out);
}

}  // namespace cairn
