// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/delta.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "engine/base/endian.h"
#include "engine/codec/predict.h"
#include "engine/codec/ulp.h"

namespace cairn {
namespace {

// Predictor, width, exponent's shift and bits, contexts, 1 spare byte, highest exponent, size of the
// low bits; then the predictor's parameters, if there is one.
constexpr std::size_t kHeadBytes = 12;
constexpr std::size_t kParametersBytes = 3 * 4;
constexpr std::byte kNoPredictor{0};

constexpr unsigned kContextsMax = 16;
// Elements for which the probabilities of one more context, some 60 bytes, pay.
constexpr std::size_t kElementsPerContext = 2048;

struct ContextPlan {
  unsigned top = 0, count = 1;
};

// One context for each exponent from the highest that is not rare; the last takes all that are
// lower still.
ContextPlan plan_contexts(Bytes base, ElementLayout layout) {
  if (!layout.floating()) return {};
  constexpr std::size_t kSamples = 4096;
  const std::size_t count = base.size() / layout.width;
  const std::size_t step = count / kSamples | 1;  // odd: rows have even lengths
  std::array<std::uint32_t, 2048> seen{};
  std::uint32_t sampled = 0;
  for (std::size_t i = 0; i < count; i += step, ++sampled) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, base.data() + i * layout.width, layout.width);
    ++seen[bits >> layout.exponent_shift & ((std::uint64_t{1} << layout.exponent_bits) - 1)];
  }
  std::uint32_t above = 0;
  unsigned top = (1U << layout.exponent_bits) - 1;
  while (top > 0 && (above += seen[top]) <= sampled / 256) --top;
  return {top, static_cast<unsigned>(std::clamp<std::size_t>(count / kElementsPerContext, 1, kContextsMax))};
}

}  // namespace

Bytes DeltaEncoder::encode(Bytes content, std::span<const Bytes> bases, DType dtype, SimdLevel level) {
  const ElementLayout layout = element_layout(dtype);
  const std::size_t count = content.size() / layout.width;
  const std::size_t tail = content.size() % layout.width;
  std::byte* const tokens = tokens_.at_least(count);
  std::byte* const contexts = contexts_.at_least(count);
  std::byte* const head = payload_.at_least(kHeadBytes + kParametersBytes + layout.width +
                                            low_bits_bound(count, layout.width) + rans_bound(count));
  std::byte* at = head + kHeadBytes;

  Bytes base = bases[0];
  head[0] = kNoPredictor;
  if (bases.size() != 1) {
    if (bases.size() != kPredictorBases || dtype != DType::f32) return {};
    const auto prediction = fit_prediction(content, bases.first<kPredictorBases>());
    if (!prediction) return {};
    base = {predicted_.at_least(content.size()), content.size()};
    predict(*prediction, bases.first<kPredictorBases>(), predicted_.at_least(0), level);
    head[0] = static_cast<std::byte>(prediction->predictor);
    for (const float parameter : prediction->parameters) {
      store_le(at, std::bit_cast<std::uint32_t>(parameter));
      at += 4;
    }
  }

  const ContextPlan plan = plan_contexts(base, layout);
  at = std::copy_n(content.end() - static_cast<std::ptrdiff_t>(tail), tail, at);
  const std::size_t low = split_differences(content.data(), base.data(), count, layout, tokens, at, level);
  at += low;
  exponent_contexts(base.data(), count, layout, plan.top, plan.count, contexts, level);
  at += rans_.encode({tokens, count}, {contexts, count}, plan.count, at, level);

  head[1] = static_cast<std::byte>(layout.width);
  head[2] = static_cast<std::byte>(layout.exponent_shift);
  head[3] = static_cast<std::byte>(layout.exponent_bits);
  head[4] = static_cast<std::byte>(plan.count);
  head[5] = std::byte{0};
  store_le(head + 6, static_cast<std::uint16_t>(plan.top));
  store_le(head + 8, static_cast<std::uint32_t>(low));
  return {head, static_cast<std::size_t>(at - head)};
}

const char* DeltaDecoder::decode(Bytes payload, std::span<const Bytes> bases, MutableBytes into, SimdLevel level) {
  for (const Bytes base : bases) {
    if (base.size() != into.size()) return "a base has another size";
  }
  ByteReader reader(payload);
  const auto predictor = reader.get<std::uint8_t>();
  const auto width = reader.get<std::uint8_t>(), shift = reader.get<std::uint8_t>(), bits = reader.get<std::uint8_t>();
  const auto contexts = reader.get<std::uint8_t>(), reserved = reader.get<std::uint8_t>();
  const auto top = reader.get<std::uint16_t>();
  const auto low = reader.get<std::uint32_t>();
  if (!low) return "it is too short";
  const ElementLayout layout{*width, *shift, *bits};
  if (layout.width > 8 || !std::has_single_bit(layout.width) || layout.exponent_bits > 11 ||
      layout.exponent_shift + layout.exponent_bits > 8 * layout.width || *contexts == 0 ||
      *contexts > kRansContextsMax || *reserved != 0 || (!layout.floating() && *contexts != 1)) {
    return "its elements are of no known layout";
  }
  const std::size_t count = into.size() / layout.width;

  if (*predictor > static_cast<unsigned>(Predictor::adam_weight)) return "it names no predictor that exists";
  if (bases.size() != (*predictor == 0 ? 1 : kPredictorBases)) return "it needs another number of bases";
  Bytes base = bases[0];
  if (*predictor != 0) {
    if (layout.width != 4) return "only elements of four bytes are predicted";
    Prediction prediction{static_cast<Predictor>(*predictor), {}};
    for (float& parameter : prediction.parameters) {
      const auto value = reader.get<std::uint32_t>();
      if (!value) return "it is too short";
      parameter = std::bit_cast<float>(*value);
    }
    base = {predicted_.at_least(into.size()), into.size()};
    predict(prediction, bases.first<kPredictorBases>(), predicted_.at_least(0), level);
  }

  const auto tail = reader.get_bytes(into.size() % layout.width);
  const auto low_bits = reader.get_bytes(*low);
  if (!tail || !low_bits) return "it is too short";
  std::copy(tail->begin(), tail->end(), into.end() - static_cast<std::ptrdiff_t>(tail->size()));
  const std::span<std::byte> tokens{tokens_.at_least(count), count};
  const std::span<std::byte> of{contexts_.at_least(count), count};
  exponent_contexts(base.data(), count, layout, *top, *contexts, of.data(), level);
  if (!rans_.decode(payload.subspan(reader.offset()), of, *contexts, tokens, level)) return "its tokens do not decode";
  if (!join_differences(tokens, *low_bits, base.data(), layout, into.data(), level))
    return "its differences do not fit";
  return nullptr;
}

}  // namespace cairn
