// SPDX-License-Identifier: Apache-2.0
//
// Pairs of tensors of every element type, for deltas between them: unrelated, near each other, full of what is no
// number.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "engine/delta/tensor_delta.h"

namespace cairn::testing {

using Content = std::vector<std::byte>;

inline std::vector<DType> all_dtypes() {
  std::vector<DType> all;
  for (std::uint8_t i = 0; dtype_is_valid(i); ++i) all.push_back(static_cast<DType>(i));
  return all;
}
inline constexpr DeltaKind kLossless[] = {DeltaKind::raw_difference, DeltaKind::xor_split, DeltaKind::exponent_mantissa,
                                          DeltaKind::ulp_grouped};
inline constexpr DeltaKind kLossy[] = {DeltaKind::int8, DeltaKind::int16, DeltaKind::sparse, DeltaKind::axis_scaled};

inline std::uint64_t bytes_of(DType dtype, const std::vector<std::uint64_t>& shape) {
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : shape) elements *= extent;
  const unsigned bits = dtype_bits(dtype);
  return bits == 0 ? elements : (elements * bits + 7) / 8;
}

struct Pair {
  std::string name;
  Content base, target;
};

// Bit patterns that are special in some type or other: zeros, ones, denormals, infinities, NaNs with payloads, the ends
// of integers.
inline std::uint64_t special_bits(unsigned width, std::uint64_t which) {
  const unsigned bits = 8 * width;
  const std::uint64_t ones = ~std::uint64_t{0} >> (64 - bits), top = std::uint64_t{1} << (bits - 1);
  const std::uint64_t exponent = width == 8 ? 0x7ff0000000000000 : width == 4 ? 0x7f800000 : width == 2 ? 0x7f80 : 0x78;
  const std::uint64_t all[] = {0,
                               top,
                               1,
                               top | 1,
                               ones,
                               top - 1,
                               exponent,
                               exponent | top,
                               exponent | 1,
                               exponent - 1,
                               (exponent - 1) | top,
                               0x7c00 & ones,
                               0xfc01 & ones,
                               ones - 1};
  return all[which % std::size(all)];
}

// Content of `bytes` bytes that lossless kinds must bring back and lossy ones keep within their bounds.
inline std::vector<Pair> pairs(DType dtype, std::size_t bytes, unsigned seed) {
  const ElementType type = element_type(dtype);
  std::mt19937_64 random(seed);
  const auto fill = [&](auto&& element) {
    Content content(bytes);
    for (std::size_t at = 0; at < bytes; at += type.width) {
      const std::uint64_t bits = element(at);
      std::memcpy(content.data() + at, &bits, std::min<std::size_t>(type.width, bytes - at));
    }
    return content;
  };
  const auto any = [&](std::size_t) { return random(); };
  const auto special = [&](std::size_t) { return special_bits(type.width, random()); };
  const auto of = [](const Content& content, std::size_t at, unsigned width) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, content.data() + at, std::min<std::size_t>(width, content.size() - at));
    return bits;
  };
  // Floats of a model's usual size; of other types, small numbers.
  const auto weight = [&](std::size_t) {
    const double value = std::normal_distribution<double>(0, 0.05)(random);
    if (type.width == 8 && type.floating()) return std::bit_cast<std::uint64_t>(value);
    if (type.width == 4 && type.floating())
      return std::uint64_t{std::bit_cast<std::uint32_t>(static_cast<float>(value))};
    if (dtype == DType::bf16) return std::uint64_t{std::bit_cast<std::uint32_t>(static_cast<float>(value))} >> 16;
    return random() & 0x3f;
  };
  std::vector<Pair> made;
  const Content weights = fill(weight);
  const auto near = [&](std::size_t at) {
    return of(weights, at, type.width) + (random() % 3 == 0 ? random() % 16 - 8 : 0);
  };
  made.push_back({"weights and their neighbours", weights, fill(near)});
  made.push_back({"the same", weights, weights});
  made.push_back({"unrelated weights", weights, fill(weight)});
  made.push_back({"any bits", fill(any), fill(any)});
  made.push_back({"special values", fill(special), fill(special)});
  const Content mixed = fill(special);
  const auto seldom = [&](std::size_t at) { return random() % 97 == 0 ? random() : of(mixed, at, type.width); };
  made.push_back({"special values that seldom change", mixed, fill(seldom)});
  return made;
}

struct Coded {
  DeltaPlan plan;
  DeltaStreams streams;
  double largest_error = 0;
  std::uint64_t exceptions = 0;
};

inline Coded encode(const DeltaPlan& plan, std::optional<double> max_error, Bytes target, Bytes base) {
  TensorDeltaEncoder encoder(plan, max_error);
  Coded coded{.plan = plan, .streams = DeltaStreams(stream_count(plan))};
  const auto each = [&](auto&& piece) {
    for (std::uint64_t at = 0; at < target.size(); at += kDeltaPieceBytes) {
      const std::size_t bytes = std::min<std::uint64_t>(kDeltaPieceBytes, target.size() - at);
      piece(at, target.subspan(at, bytes), base.subspan(at, bytes));
    }
  };
  if (encoder.looks_first()) each([&](std::uint64_t at, Bytes t, Bytes b) { encoder.look(at, t, b); });
  encoder.begin(coded.streams);
  each([&](std::uint64_t at, Bytes t, Bytes b) { encoder.encode(at, t, b, coded.streams); });
  coded.plan = encoder.plan();
  coded.largest_error = encoder.largest_error();
  coded.exceptions = encoder.exceptions();
  return coded;
}

inline Result<Content> decode(const Coded& coded, Bytes base) {
  TensorDeltaDecoder decoder(coded.plan);
  MemoryDeltaInput input(coded.streams);
  CAIRN_CHECK(decoder.check_streams(input));
  CAIRN_CHECK(decoder.begin(input));
  Content out(base.size());
  for (std::uint64_t at = 0; at < base.size(); at += kDeltaPieceBytes) {
    const std::size_t bytes = std::min<std::uint64_t>(kDeltaPieceBytes, base.size() - at);
    CAIRN_CHECK(decoder.decode(at, input, base.subspan(at, bytes), MutableBytes(out).subspan(at, bytes)));
  }
  CAIRN_CHECK(TensorDeltaDecoder::finish(input));
  return out;
}

}  // namespace cairn::testing
