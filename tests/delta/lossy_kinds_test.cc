// SPDX-License-Identifier: Apache-2.0
//
// Lossy kinds keep every element within the bound that they state, for every type of number and whatever the content.
#include <cfenv>

#include "engine/delta/float_values.h"
#include "tests/delta/delta_content.h"

namespace cairn::testing {
namespace {

// Wide enough for every integer of 64 bits and for differences of most floats.
using Wide = long double;
static_assert(std::numeric_limits<Wide>::digits >= 64);

template <class T>
Wide read_as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return static_cast<Wide>(value);
}

Wide value_at(DType dtype, const std::byte* at) {
  switch (dtype) {
    case DType::u8: return read_as<std::uint8_t>(at);
    case DType::i8: return read_as<std::int8_t>(at);
    case DType::u16: return read_as<std::uint16_t>(at);
    case DType::i16: return read_as<std::int16_t>(at);
    case DType::u32: return read_as<std::uint32_t>(at);
    case DType::i32: return read_as<std::int32_t>(at);
    case DType::u64: return read_as<std::uint64_t>(at);
    case DType::i64: return read_as<std::int64_t>(at);
    case DType::f32: return read_as<float>(at);
    case DType::f64: return read_as<double>(at);
    default: {
      double value = 0;
      to_doubles(dtype, at, 1, &value);
      return value;
    }
  }
}

// The largest error of finite elements; all others must be the same bits, or it is infinite.
Wide largest_error(DType dtype, const Content& target, const Content& back) {
  const unsigned width = element_type(dtype).width;
  Wide largest = 0;
  for (std::size_t at = 0; at < target.size(); at += width) {
    if (std::memcmp(&target[at], &back[at], width) == 0) continue;
    const Wide error = std::fabs(value_at(dtype, &target[at]) - value_at(dtype, &back[at]));
    if (!(error <= std::numeric_limits<Wide>::max())) return std::numeric_limits<Wide>::infinity();
    largest = std::max(largest, error);
  }
  return largest;
}

std::vector<DType> numbers() {
  std::vector<DType> found;
  for (const DType dtype : all_dtypes()) {
    if (unsuited(DeltaKind::int8, dtype) == nullptr) found.push_back(dtype);
  }
  return found;
}

// The bound and the error are the same number where the error is not rounded; a last bit of a double is forgiven, which
// the reference may have lost in 64 bits.
void expect_within(Wide error, double bound) { EXPECT_LE(error, static_cast<Wide>(bound) * (1 + 0x1p-60L)); }

TEST(LossyKinds, EveryElementIsWithinTheBound) {
  EXPECT_EQ(numbers().size(), 16u);
  for (const DeltaKind kind : kLossy) {
    for (const DType dtype : numbers()) {
      const std::vector<std::uint64_t> shape{7, 11, 13};
      const DeltaPlan plan{.kind = kind, .dtype = dtype, .shape = shape, .bytes = bytes_of(dtype, shape), .axis = 1};
      for (const std::optional<double> bound :
           std::initializer_list<std::optional<double>>{{}, 0.0, 5e-324, 1e-3, 0.5, 3.0, 1e6, 1e19, 1.7e308}) {
        if (!bound && kind == DeltaKind::sparse) continue;
        for (const Pair& pair : pairs(dtype, plan.bytes, 4)) {
          SCOPED_TRACE(std::string(delta_kind_name(kind)) + ", " + std::string(dtype_name(dtype)) + ", " + pair.name +
                       ", bound " + (bound ? std::to_string(*bound) : "from the range"));
          const Coded coded = encode(plan, bound, pair.target, pair.base);
          const auto back = decode(coded, pair.base);
          ASSERT_TRUE(back.ok()) << back.error().message;
          const Wide error = largest_error(dtype, pair.target, *back);
          expect_within(error, coded.largest_error);
          if (bound) {
            EXPECT_LE(coded.largest_error, *bound);
            expect_within(error, *bound);
          }
          if (HasFailure()) return;
        }
      }
    }
  }
}

// Steps of an automatic size reach as far as the elements are apart: nothing is cut off, and nothing finite is an
// exception but where the type itself is too coarse.
TEST(LossyKinds, AStepFromTheRangeCutsNothingOff) {
  for (const DeltaKind kind : {DeltaKind::int8, DeltaKind::int16, DeltaKind::axis_scaled}) {
    const DeltaPlan plan{.kind = kind, .dtype = DType::f32, .shape = {100, 50}, .bytes = 20'000, .axis = 0};
    const Pair pair = pairs(DType::f32, plan.bytes, 5)[2];
    const Coded coded = encode(plan, {}, pair.target, pair.base);
    EXPECT_EQ(coded.exceptions, 0u);
    EXPECT_GT(coded.largest_error, 0);
    EXPECT_LT(coded.largest_error, kind == DeltaKind::int16 ? 1e-5 : 2e-3);
    const auto back = decode(coded, pair.base);
    expect_within(largest_error(DType::f32, pair.target, back.value()), coded.largest_error);
  }
}

TEST(LossyKinds, DifferencesBeyondWhatDoublesHoldAreExact) {
  const std::int64_t low = INT64_MIN, high = INT64_MAX;
  const std::vector<std::int64_t> base{low, high, 0, (std::int64_t{1} << 60) + 1, -5},
      target{high, low, high, (std::int64_t{1} << 60) + 3, -4};
  const auto bytes = [](const std::vector<std::int64_t>& v) {
    const Bytes all = std::as_bytes(std::span(v));
    return Content(all.begin(), all.end());
  };
  for (const DeltaKind kind : kLossy) {
    const DeltaPlan plan{.kind = kind, .dtype = DType::i64, .shape = {5}, .bytes = 40};
    const Coded coded = encode(plan, 1.0, bytes(target), bytes(base));
    EXPECT_EQ(coded.exceptions, kind == DeltaKind::sparse ? 4u : 3u) << "what is farther than the steps reach";
    const auto back = decode(coded, bytes(base));
    EXPECT_LE(largest_error(DType::i64, bytes(target), back.value()), 1.0L);
    EXPECT_EQ(largest_error(DType::i64, bytes(target),
                            decode(encode(plan, 0.0, bytes(target), bytes(base)), bytes(base)).value()),
              0.0L);
  }
}

TEST(LossyKinds, ElementsBeyondTheTwentyFourthBitAreFound) {
  const std::uint64_t count = (1 << 24) + 3 * MiB + 5;
  const Content base(count, std::byte{9});
  Content target = base;
  for (const std::uint64_t i :
       {std::uint64_t{0}, std::uint64_t{(1 << 24) - 1}, std::uint64_t{1 << 24}, count - 2, count - 1}) {
    target[i] = std::byte{200};
  }
  const DeltaPlan plan{.kind = DeltaKind::sparse, .dtype = DType::u8, .shape = {count}, .bytes = count};
  const Coded coded = encode(plan, 0.0, target, base);
  EXPECT_EQ(coded.exceptions, 5u);
  EXPECT_LT(coded.streams[0].size(), 60u);
  EXPECT_TRUE(decode(coded, base).value() == target);
}

// A training process may round as it likes, and flush what is small to zero.
TEST(LossyKinds, GiveTheSameHoweverTheThreadRounds) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f8_e5m2}) {
    const DeltaPlan plan{.kind = DeltaKind::int16, .dtype = dtype, .shape = {3000}, .bytes = bytes_of(dtype, {3000})};
    for (const Pair& pair : pairs(dtype, plan.bytes, 9)) {
      const Coded coded = encode(plan, {}, pair.target, pair.base);
      const Content expected = decode(coded, pair.base).value();
      for (const int rounding : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
        std::fesetround(rounding);
        const Coded again = encode(plan, {}, pair.target, pair.base);
        const Content back = decode(coded, pair.base).value();
        std::fesetround(FE_TONEAREST);
        EXPECT_TRUE(back == expected) << dtype_name(dtype) << ", " << pair.name;
        EXPECT_TRUE(again.streams == coded.streams) << dtype_name(dtype) << ", " << pair.name;
      }
    }
  }
}

TEST(LossyKinds, SlicesHaveStepsOfTheirOwn) {
  // Rows whose changes differ by six orders of magnitude.
  const std::uint64_t rows = 7, columns = 300;
  std::vector<float> base(rows * columns), target(rows * columns);
  std::mt19937 random(6);
  for (std::size_t i = 0; i < base.size(); ++i) {
    base[i] = std::normal_distribution<float>(0, 1e-6f)(random);
    target[i] = base[i] + std::normal_distribution<float>(0, std::pow(10.0f, -static_cast<float>(i / columns)))(random);
  }
  const Bytes t = std::as_bytes(std::span(target)), b = std::as_bytes(std::span(base));
  DeltaPlan plan{.kind = DeltaKind::axis_scaled, .dtype = DType::f32, .shape = {rows, columns}, .bytes = t.size()};
  const auto error_of_row = [&](const DeltaPlan& by, std::size_t row) {
    const Content back = decode(encode(by, {}, t, b), b).value();
    const auto part = [&](Bytes of) {
      const Bytes cut = of.subspan(4 * row * columns, 4 * columns);
      return Content(cut.begin(), cut.end());
    };
    return largest_error(DType::f32, part(t), part(back));
  };
  EXPECT_LT(error_of_row(plan, rows - 1), 1e-7L);
  plan.kind = DeltaKind::int8;
  EXPECT_GT(error_of_row(plan, rows - 1), 1e-7L);
}

// Every pattern of the small types is itself again, and what lies between two is rounded to the nearer, to even.
TEST(FloatValues, SmallFloatsAreRoundedToNearestEven) {
  for (const DType dtype :
       {DType::f16, DType::bf16, DType::f8_e4m3, DType::f8_e5m2, DType::f8_e4m3fnuz, DType::f8_e5m2fnuz}) {
    SCOPED_TRACE(dtype_name(dtype));
    const unsigned width = element_type(dtype).width;
    const std::uint32_t patterns = 1u << (8 * width);
    std::uint32_t before = 0;
    double before_value = 0;
    for (std::uint32_t bits = 0; bits < patterns; ++bits) {
      double value = 0;
      std::uint32_t again = 0;
      to_doubles(dtype, reinterpret_cast<const std::byte*>(&bits), 1, &value);
      from_doubles(dtype, &value, 1, reinterpret_cast<std::byte*>(&again));
      if (value != value) {
        double nan = 0;
        to_doubles(dtype, reinterpret_cast<const std::byte*>(&again), 1, &nan);
        ASSERT_NE(nan, nan);
        continue;
      }
      ASSERT_EQ(again, bits);
      if (std::isfinite(value) && bits < patterns / 2 && bits > 0) {
        const double middle = (before_value + value) / 2;
        from_doubles(dtype, &middle, 1, reinterpret_cast<std::byte*>(&again));
        ASSERT_EQ(again, bits % 2 == 0 ? bits : before);
        const double above = std::nextafter(middle, INFINITY);
        from_doubles(dtype, &above, 1, reinterpret_cast<std::byte*>(&again));
        ASSERT_EQ(again, bits);
      }
      before = bits;
      before_value = value;
    }
  }
}

TEST(FloatValues, KnownNumbersOfEightBits) {
  const auto value = [](DType dtype, std::uint8_t bits) {
    double out = 0;
    to_doubles(dtype, reinterpret_cast<const std::byte*>(&bits), 1, &out);
    return out;
  };
  EXPECT_EQ(value(DType::f8_e4m3, 0x7e), 448);
  EXPECT_EQ(value(DType::f8_e4m3, 0x01), 0x1p-9);
  EXPECT_EQ(value(DType::f8_e5m2, 0x7b), 57344);
  EXPECT_EQ(value(DType::f8_e5m2, 0xfc), -INFINITY);
  EXPECT_EQ(value(DType::f8_e4m3fnuz, 0x7f), 240);
  EXPECT_EQ(value(DType::f8_e5m2fnuz, 0x7f), 57344);
  EXPECT_TRUE(std::isnan(value(DType::f8_e5m2fnuz, 0x80)));
  EXPECT_TRUE(std::isnan(value(DType::f8_e4m3, 0xff)));
}

}  // namespace
}  // namespace cairn::testing
