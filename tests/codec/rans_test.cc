// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/rans.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/codec/content.h"

namespace cairn {
namespace {

struct Coded {
  Content symbols, contexts;
  std::size_t context_count = 1;
};

Content encoded(const Coded& coded, SimdLevel level) {
  RansEncoder encoder;
  Content out(rans_bound(coded.symbols.size()));
  out.resize(encoder.encode(coded.symbols, coded.contexts, coded.context_count, out.data(), level));
  return out;
}

bool decodes(const Content& body, const Coded& coded, Content& into, SimdLevel level) {
  RansDecoder decoder;
  // A copy that ends where its memory ends, for sanitizers.
  const Content exact(body);
  into.assign(coded.symbols.size(), std::byte{0xA5});
  return decoder.decode(exact, coded.contexts, coded.context_count, into, level);
}

void expect_round_trip(const Coded& coded) {
  const Content body = encoded(coded, SimdLevel::scalar);
  for (const SimdLevel level : simd_levels()) {
    SCOPED_TRACE(testing::Message() << coded.symbols.size() << " symbols, level " << static_cast<int>(level));
    ASSERT_EQ(encoded(coded, level), body);
    Content into;
    ASSERT_TRUE(decodes(body, coded, into, level));
    ASSERT_EQ(into, coded.symbols);
  }
}

// Symbols of `contexts` geometric distributions, the first of them the steepest.
Coded geometric(std::size_t count, std::size_t contexts, std::uint64_t seed = 1) {
  Random random{seed};
  Coded coded{Content(count), Content(count), contexts};
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t context = random.below(contexts);
    unsigned symbol = 0;
    while (symbol < 255 && random.below(20) < 4 + context) ++symbol;
    coded.contexts[i] = static_cast<std::byte>(context);
    coded.symbols[i] = static_cast<std::byte>(symbol);
  }
  return coded;
}

TEST(Rans, EveryLengthSurvivesAtEveryLevel) {
  for (std::size_t count = 0; count <= 200; ++count) expect_round_trip(geometric(count, 3, count + 1));
  for (const std::size_t count : {1000U, 4096U, 70'001U}) expect_round_trip(geometric(count, 12));
}

TEST(Rans, OneSymbolAllSymbolsAndUnusedContextsSurvive) {
  const std::size_t count = 10'000;
  expect_round_trip({Content(count, std::byte{255}), Content(count), 1});
  Coded all{noise(count), Content(count, std::byte{kRansContextsMax - 1}), kRansContextsMax};
  expect_round_trip(all);
  for (std::size_t i = 0; i < count; ++i) all.contexts[i] = static_cast<std::byte>(i % kRansContextsMax);
  expect_round_trip(all);
  // One rare symbol beside a certain one: its frequency is the least there is.
  Coded rare{Content(1 << 20), Content(1 << 20), 1};
  rare.symbols[77] = rare.symbols[1 << 19] = std::byte{200};
  expect_round_trip(rare);
}

TEST(Rans, TakesLittleMoreThanTheEntropy) {
  const Coded coded = geometric(1 << 20, 8);
  std::array<std::array<double, 256>, 8> counts{};
  std::array<double, 8> totals{};
  for (std::size_t i = 0; i < coded.symbols.size(); ++i) {
    const auto context = std::to_integer<std::size_t>(coded.contexts[i]);
    ++counts[context][std::to_integer<std::size_t>(coded.symbols[i])];
    ++totals[context];
  }
  double bits = 0;
  for (std::size_t c = 0; c < 8; ++c) {
    for (const double count : counts[c]) bits += count == 0 ? 0 : count * std::log2(totals[c] / count);
  }
  EXPECT_LT(static_cast<double>(encoded(coded, simd_level()).size()), 1.003 * bits / 8 + 1000);
}

TEST(Rans, AllButCertainSymbolsTakeAFractionOfABit) {
  Coded coded{Content(1 << 20), Content(1 << 20), 1};
  Random random{3};
  for (std::size_t i = 0; i < 1000; ++i) coded.symbols[random.below(coded.symbols.size())] = std::byte{1};
  EXPECT_LT(encoded(coded, simd_level()).size(), 2000U);
}

TEST(Rans, CutLongerOrFlippedBodiesAreRefusedOrHarmless) {
  const Coded coded = geometric(700, 2);
  const Content body = encoded(coded, SimdLevel::scalar);
  Content into, other;
  for (std::size_t length = 0; length < body.size(); ++length) {
    const Content cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(length));
    for (const SimdLevel level : simd_levels()) EXPECT_FALSE(decodes(cut, coded, into, level)) << length;
  }
  Content longer = body;
  longer.insert(longer.end(), 2, std::byte{0});
  for (const SimdLevel level : simd_levels()) EXPECT_FALSE(decodes(longer, coded, into, level));
  for (std::size_t bit = 0; bit < 8 * body.size(); ++bit) {
    Content flipped = body;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const bool good = decodes(flipped, coded, into, SimdLevel::scalar);
    for (const SimdLevel level : simd_levels()) {
      ASSERT_EQ(decodes(flipped, coded, other, level), good) << bit;
      if (good) {
        ASSERT_EQ(other, into) << bit;
      }
    }
  }
}

}  // namespace
}  // namespace cairn
