// SPDX-License-Identifier: Apache-2.0
//
// What can be computed of a block from several others: the state of the Adam optimizer (Kingma and
// Ba, arXiv:1412.6980; decoupled weight decay, arXiv:1711.05101). A step turns the moments m and v
// and the weight w into
//
//   m' = b1 m + (1 - b1) g      v' = b2 v + (1 - b2) g²      w' = (1 - d) w - a m' / (√v' + e)
//
// The gradient g is not stored, but m and m' tell it; so v' follows from m, m' and v, and w' from
// m', v' and w, up to rounding; and with other rates v from m, m' and v', and w from m', v' and w'. The rates
// are found from the values themselves. A prediction need
// not be right, only the same wherever it is computed: each operation is an IEEE 754 one of 32 bits,
// in a fixed order, rounded to nearest, without fused or flushed results.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "engine/base/bytes.h"
#include "engine/codec/simd.h"

namespace cairn {

// Frozen numbers: written in payloads.
enum class Predictor : std::uint8_t {
  adam_variance = 1,  // bases v (or v'), m, m'; parameters b1, b2, (1 - b2) / (1 - b1)² (or 1 / b2, and that by -b2)
  adam_weight = 2,    // bases w (or w'), m', v'; parameters 1 - d, a (or their inverse), e
};

struct Prediction {
  Predictor predictor = Predictor::adam_weight;
  std::array<float, 3> parameters{};  // unused ones are zero
};
inline constexpr std::size_t kPredictorBases = 3;

// f32 elements, of the same number in each base and in `content`. The prediction that a sample of
// the content says is best, if it leaves clearly smaller differences than the first base does.
std::optional<Prediction> fit_prediction(Bytes content, std::span<const Bytes, kPredictorBases> bases);

// Writes predicted elements to `out`, which is as long as each base. What is no number becomes the first
// base's element.
void predict(const Prediction& prediction, std::span<const Bytes, kPredictorBases> bases, std::byte* out,
             SimdLevel level);

}  // namespace cairn
