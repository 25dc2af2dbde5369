// SPDX-License-Identifier: Apache-2.0
#include "engine/delta/lossless.h"

#include <algorithm>

#include "engine/base/endian.h"

namespace cairn {
namespace {

// What stands before each piece of ulp_grouped: the codec, raw or delta, and the size of the payload.
constexpr std::size_t kUlpHeadBytes = 5;

// Calls with an unsigned integer of `width` bytes.
template <class F>
void with_width(unsigned width, F&& call) {
  switch (width) {
    case 1: call(std::uint8_t{}); break;
    case 2: call(std::uint16_t{}); break;
    case 4: call(std::uint32_t{}); break;
    default: call(std::uint64_t{}); break;
  }
}

// Makes room at the end of a stream.
std::byte* grow(std::vector<std::byte>& stream, std::size_t bytes) {
  stream.resize(stream.size() + bytes);
  return stream.data() + stream.size() - bytes;
}

// `to` becomes a - b, or, when adding, a + b.
template <bool kAdd>
void difference(unsigned width, Bytes a, Bytes b, std::byte* to) noexcept {
  with_width(width, [&](auto element) {
    using U = decltype(element);
    for (std::size_t at = 0; at + sizeof(U) <= a.size(); at += sizeof(U)) {
      const U x = load_le<U>(a.data() + at), y = load_le<U>(b.data() + at);
      store_le(to + at, static_cast<U>(kAdd ? x + y : x - y));
    }
  });
}

constexpr std::uint64_t mask_of(unsigned bits) noexcept {
  return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

// A difference of `bits` bits, folded so that small ones of either sign are small; and back.
constexpr std::uint64_t fold(std::uint64_t difference, unsigned bits) noexcept {
  const std::uint64_t mask = mask_of(bits);
  const bool negative = (difference >> (bits - 1) & 1) != 0;
  return ((difference << 1) ^ (negative ? mask : 0)) & mask;
}
constexpr std::uint64_t unfold(std::uint64_t folded) noexcept {
  return (folded >> 1) ^ (std::uint64_t{0} - (folded & 1));
}

constexpr unsigned bytes_for(unsigned bits) noexcept { return bits <= 8 ? 1 : bits <= 16 ? 2 : bits <= 32 ? 4 : 8; }

// The two parts of a float: sign and exponent, and the mantissa below them.
struct Parts {
  explicit Parts(ElementType type) noexcept
      : low_bits(type.mantissa_bits),
        high_bits(1 + type.exponent_bits),
        low(bytes_for(low_bits)),
        high(bytes_for(high_bits)) {}
  std::uint64_t low_mask() const noexcept { return mask_of(low_bits); }
  std::uint64_t high_mask() const noexcept { return mask_of(high_bits); }
  unsigned low_bits, high_bits;
  unsigned low, high;  // bytes in their streams
};

template <class U, class High, class Low>
void split_parts(const Parts& parts, Bytes target, Bytes base, std::byte* high, std::byte* low) noexcept {
  for (std::size_t i = 0; i < target.size() / sizeof(U); ++i) {
    const std::uint64_t t = load_le<U>(target.data() + i * sizeof(U)), b = load_le<U>(base.data() + i * sizeof(U));
    const std::uint64_t of_high = (t >> parts.low_bits) - (b >> parts.low_bits);
    store_le(high + i * sizeof(High), static_cast<High>(fold(of_high & parts.high_mask(), parts.high_bits)));
    store_le(low + i * sizeof(Low), static_cast<Low>(fold((t - b) & parts.low_mask(), parts.low_bits)));
  }
}

// Folded numbers that do not fit the parts wrap around: the id of the whole tells.
template <class U, class High, class Low>
void join_parts(const Parts& parts, const std::byte* high, const std::byte* low, Bytes base, std::byte* to) noexcept {
  for (std::size_t i = 0; i < base.size() / sizeof(U); ++i) {
    const std::uint64_t b = load_le<U>(base.data() + i * sizeof(U));
    const std::uint64_t h = (b >> parts.low_bits) + unfold(load_le<High>(high + i * sizeof(High)));
    const std::uint64_t l = b + unfold(load_le<Low>(low + i * sizeof(Low)));
    store_le(to + i * sizeof(U), static_cast<U>((h & parts.high_mask()) << parts.low_bits | (l & parts.low_mask())));
  }
}

// The element's width says how wide its parts are, but for the two floats of 16 bits and those of 8.
template <class F>
void with_parts(ElementType type, F&& call) {
  if (type.width == 1) return call(std::uint8_t{}, std::uint8_t{}, std::uint8_t{});
  if (type.width == 4) return call(std::uint32_t{}, std::uint16_t{}, std::uint32_t{});
  if (type.width == 8) return call(std::uint64_t{}, std::uint16_t{}, std::uint64_t{});
  if (type.mantissa_bits <= 8) return call(std::uint16_t{}, std::uint16_t{}, std::uint8_t{});
  return call(std::uint16_t{}, std::uint8_t{}, std::uint16_t{});
}

}  // namespace

std::size_t lossless_streams(DeltaKind kind, ElementType type) noexcept {
  switch (kind) {
    case DeltaKind::xor_split: return type.width;
    case DeltaKind::exponent_mantissa: return 2;
    default: return 1;
  }
}

unsigned lossless_stream_width(DeltaKind kind, ElementType type, std::size_t stream) noexcept {
  switch (kind) {
    case DeltaKind::raw_difference: return type.width;
    case DeltaKind::xor_split: return 1;
    case DeltaKind::exponent_mantissa: return stream == 0 ? Parts(type).high : Parts(type).low;
    default: return 0;
  }
}

void LosslessEncoder::encode(DeltaKind kind, DType dtype, Bytes target, Bytes base, DeltaStreams& out) {
  const ElementType type = element_type(dtype);
  const std::size_t count = target.size() / type.width;
  switch (kind) {
    case DeltaKind::xor_split:
      for (unsigned plane = 0; plane < type.width; ++plane) {
        std::byte* const to = grow(out[plane], count);
        for (std::size_t i = 0; i < count; ++i) to[i] = target[i * type.width + plane] ^ base[i * type.width + plane];
      }
      break;
    case DeltaKind::exponent_mantissa: {
      const Parts parts(type);
      std::byte* const high = grow(out[0], count * parts.high);
      std::byte* const low = grow(out[1], count * parts.low);
      with_parts(type, [&](auto element, auto of_high, auto of_low) {
        split_parts<decltype(element), decltype(of_high), decltype(of_low)>(parts, target, base, high, low);
      });
      break;
    }
    case DeltaKind::ulp_grouped: {
      const Encoded encoded = blocks_.encode_delta(target, dtype, {&base, 1});
      std::byte* const head = grow(out[0], kUlpHeadBytes);
      head[0] = static_cast<std::byte>(encoded.codec);
      store_le(head + 1, static_cast<std::uint32_t>(encoded.payload.size()));
      out[0].insert(out[0].end(), encoded.payload.begin(), encoded.payload.end());
      break;
    }
    default: difference<false>(type.width, target, base, grow(out[0], target.size())); break;
  }
}

Status LosslessDecoder::decode(DeltaKind kind, DType dtype, DeltaInput& input, Bytes base, MutableBytes into) {
  const ElementType type = element_type(dtype);
  const std::size_t count = base.size() / type.width;
  switch (kind) {
    case DeltaKind::xor_split:
      first_.resize(count);
      for (unsigned plane = 0; plane < type.width; ++plane) {
        CAIRN_CHECK(read_exactly(input, plane, first_));
        for (std::size_t i = 0; i < count; ++i) into[i * type.width + plane] = first_[i] ^ base[i * type.width + plane];
      }
      return {};
    case DeltaKind::exponent_mantissa: {
      const Parts parts(type);
      first_.resize(count * parts.high);
      second_.resize(count * parts.low);
      CAIRN_CHECK(read_exactly(input, 0, first_));
      CAIRN_CHECK(read_exactly(input, 1, second_));
      with_parts(type, [&](auto element, auto of_high, auto of_low) {
        join_parts<decltype(element), decltype(of_high), decltype(of_low)>(parts, first_.data(), second_.data(), base,
                                                                           into.data());
      });
      return {};
    }
    case DeltaKind::ulp_grouped: return decode_ulp(input, base, into);
    default:
      first_.resize(base.size());
      CAIRN_CHECK(read_exactly(input, 0, first_));
      difference<true>(type.width, first_, base, into.data());
      return {};
  }
}

Status LosslessDecoder::decode_ulp(DeltaInput& input, Bytes base, MutableBytes into) {
  std::byte head[kUlpHeadBytes];
  CAIRN_CHECK(read_exactly(input, 0, head));
  const auto codec = static_cast<CodecId>(head[0]);
  const auto size = load_le<std::uint32_t>(head + 1);
  if (codec != CodecId::raw && codec != CodecId::delta) return damaged_delta("a piece is neither raw nor a difference");
  if (codec == CodecId::raw ? size != into.size() : size >= into.size())
    return damaged_delta("a piece has another size");
  first_.resize(size);
  CAIRN_CHECK(read_exactly(input, 0, first_));
  return blocks_.decode(codec, first_, into,
                        codec == CodecId::delta ? std::span<const Bytes>(&base, 1) : std::span<const Bytes>());
}

}  // namespace cairn
