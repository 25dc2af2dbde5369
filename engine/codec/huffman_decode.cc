// SPDX-License-Identifier: Apache-2.0
//
// Decoding looks eleven bits up at a time in a table that answers with all the symbols,
// up to six, whose codes are complete in them. The fast loop runs while no stream can
// come near the end of its input or of its output; the last symbols are decoded singly.
#include <algorithm>

#include "engine/base/endian.h"
#include "engine/codec/huffman.h"

namespace cairn {
namespace {

constexpr std::size_t kTableSize = std::size_t{1} << kHuffmanBitsMax;
constexpr std::uint64_t kTableMask = kTableSize - 1;
constexpr unsigned kSymbolsPerEntry = 6;
constexpr unsigned kLookUpsPerLoad = 5;
constexpr unsigned kBitsShift = 48;
constexpr unsigned kCountShift = 56;
constexpr std::uint64_t kSymbolsMask = (std::uint64_t{1} << kBitsShift) - 1;

struct Stream {
  std::size_t bit = 0;      // position in the body
  std::size_t bit_end = 0;  // of the stream
  std::size_t at = 0;       // position in the plane
  std::size_t end = 0;
};
using Streams = std::array<Stream, kHuffmanStreams>;

}  // namespace

struct HuffmanDecoder::Tables {
  // Of the low bytes: the symbols, the first lowest. Byte 6: bits consumed. Byte 7: how
  // many symbols. Laid out so that a look-up is stored, and shifted by, almost as it is.
  std::array<std::uint64_t, kTableSize> many;
  // Low byte: bits of the first code. High byte: its symbol.
  std::array<std::uint16_t, kTableSize> single;
  // As `many`, when only the lowest `known` bits of the index are: at 2^known on.
  std::array<std::uint64_t, kTableSize> partial;

  void build(const HuffmanCode& code) noexcept {
    for (std::size_t symbol = 0; symbol < code.length.size(); ++symbol) {
      const unsigned length = code.length[symbol];
      if (length == 0) continue;
      for (std::size_t i = code.bits[symbol]; i < kTableSize; i += std::size_t{1} << length) {
        single[i] = static_cast<std::uint16_t>(symbol << 8 | length);
      }
    }
    for (unsigned known = 0; known < kHuffmanBitsMax; ++known) {
      for (std::size_t i = 0; i < std::size_t{1} << known; ++i)
        partial[(std::size_t{1} << known) + i] = entry(i, known);
    }
    for (std::size_t i = 0; i < kTableSize; ++i) many[i] = entry(i, kHuffmanBitsMax);
  }

  // The first symbol of the index, then what follows it, which fewer bits decide.
  std::uint64_t entry(std::size_t index, unsigned known) const noexcept {
    const unsigned first = single[index];
    const unsigned length = first & 0xff;
    if (length > known) return 0;
    const std::uint64_t rest = partial[(std::size_t{1} << (known - length)) + (index >> length)];
    if (rest >> kCountShift == kSymbolsPerEntry) [[unlikely]]
      return full_entry(index);
    return (rest & ~kSymbolsMask) + ((rest & kSymbolsMask) << 8 | first >> 8) +
           (std::uint64_t{1} << kCountShift | std::uint64_t{length} << kBitsShift);
  }

  // The first six symbols of an index that has more.
  std::uint64_t full_entry(std::size_t index) const noexcept {
    std::uint64_t symbols = 0;
    unsigned bits = 0;
    for (unsigned i = 0; i < kSymbolsPerEntry; ++i) {
      const unsigned next = single[index >> bits];
      symbols |= static_cast<std::uint64_t>(next >> 8) << (8 * i);
      bits += next & 0xff;
    }
    return symbols | std::uint64_t{kSymbolsPerEntry} << kCountShift | std::uint64_t{bits} << kBitsShift;
  }
};

namespace {

// How often every stream can take five look-ups, each of which consumes at most 11 bits
// and stores 8 bytes, of which at most 6 count, without an overrun.
std::size_t safe_rounds(const Streams& streams) noexcept {
  std::size_t rounds = SIZE_MAX;
  for (const Stream& stream : streams) {
    const std::size_t in = stream.bit_end / 8 - stream.bit / 8;
    const std::size_t out = stream.end - stream.at;
    rounds = std::min(rounds, in < 16 ? 0 : (in - 8) / 7);
    rounds = std::min(rounds, out < 40 ? 0 : (out - 8) / (kLookUpsPerLoad * kSymbolsPerEntry));
  }
  return rounds;
}

inline __attribute__((always_inline)) void decode_rounds(const std::uint64_t* table, const std::byte* body,
                                                         std::byte* into, Streams& streams,
                                                         std::size_t rounds) noexcept {
  for (; rounds != 0; --rounds) {
#pragma GCC unroll 8
    for (Stream& stream : streams) {
      // The marker above the bits tells by its place, in the end, how many were consumed.
      std::uint64_t window =
          (load_le<std::uint64_t>(body + stream.bit / 8) >> (stream.bit % 8)) | (std::uint64_t{1} << 63);
      std::byte* to = into + stream.at;
#pragma GCC unroll 5
      for (unsigned k = 0; k < kLookUpsPerLoad; ++k) {
        const std::uint64_t entry = table[window & kTableMask];
        store_le(to, entry);
        window >>= (entry >> kBitsShift) & 63;
        to += entry >> kCountShift;
      }
      stream.bit += static_cast<std::size_t>(std::countl_zero(window));
      stream.at = static_cast<std::size_t>(to - into);
    }
  }
}

void decode_rounds_baseline(const std::uint64_t* table, const std::byte* body, std::byte* into, Streams& streams,
                            std::size_t rounds) noexcept {
  decode_rounds(table, body, into, streams, rounds);
}

#if CAIRN_X86_SIMD
__attribute__((target("bmi,bmi2,lzcnt"))) void decode_rounds_bmi2(const std::uint64_t* table, const std::byte* body,
                                                                  std::byte* into, Streams& streams,
                                                                  std::size_t rounds) noexcept {
  decode_rounds(table, body, into, streams, rounds);
}
#endif

// One symbol at a time to the end of the stream, which must be where the last code ends,
// up to seven zero bits of padding.
bool decode_rest(const std::array<std::uint16_t, kTableSize>& single, Bytes body, std::byte* into,
                 Stream& stream) noexcept {
  while (stream.at < stream.end) {
    const std::size_t from = stream.bit / 8;
    std::uint64_t window = 0;
    if (from + 8 <= body.size()) {
      window = load_le<std::uint64_t>(body.data() + from);
    } else {
      for (std::size_t i = from; i < body.size(); ++i) {
        window |= static_cast<std::uint64_t>(body[i]) << (8 * (i - from));
      }
    }
    const unsigned entry = single[(window >> (stream.bit % 8)) & kTableMask];
    stream.bit += entry & 0xff;
    if (stream.bit > stream.bit_end) return false;
    into[stream.at++] = static_cast<std::byte>(entry >> 8);
  }
  const std::size_t padding = stream.bit_end - stream.bit;
  if (padding == 0) return true;
  return padding < 8 && std::to_integer<unsigned>(body[stream.bit / 8]) >> (stream.bit % 8) == 0;
}

}  // namespace

HuffmanDecoder::HuffmanDecoder() : tables_(std::make_unique_for_overwrite<Tables>()) {}
HuffmanDecoder::~HuffmanDecoder() = default;
HuffmanDecoder::HuffmanDecoder(HuffmanDecoder&&) noexcept = default;
HuffmanDecoder& HuffmanDecoder::operator=(HuffmanDecoder&&) noexcept = default;

bool HuffmanDecoder::decode(Bytes body, MutableBytes into, [[maybe_unused]] SimdLevel level) noexcept {
  ByteReader reader(body);
  const auto present = reader.get_bytes(kHuffmanPresentBytes);
  if (!present) return false;
  HuffmanCode code;
  std::size_t nibble = 0;
  std::byte pair{};
  for (std::size_t i = 0; i < code.length.size(); ++i) {
    if ((std::to_integer<unsigned>((*present)[i / 8]) >> (i % 8) & 1U) == 0) continue;
    if (nibble++ % 2 == 0) {
      const auto next = reader.get_bytes(1);
      if (!next) return false;
      pair = (*next)[0];
    } else {
      pair >>= 4;
    }
    code.length[i] = std::to_integer<std::uint8_t>(pair & std::byte{15});
    if (code.length[i] == 0) return false;
  }
  if (nibble % 2 == 1 && (pair >> 4) != std::byte{0}) return false;
  if (!assign_canonical(code)) return false;

  std::array<std::uint64_t, kHuffmanStreams> sizes{};
  std::uint64_t sum = 0;
  for (std::size_t s = 0; s + 1 < kHuffmanStreams; ++s) {
    const auto size = reader.get<std::uint32_t>();
    if (!size) return false;
    sizes[s] = *size;
    sum += *size;
  }
  if (sum > reader.remaining()) return false;
  sizes[kHuffmanStreams - 1] = reader.remaining() - sum;

  Streams streams;
  const std::size_t share = (into.size() + kHuffmanStreams - 1) / kHuffmanStreams;
  std::size_t from = reader.offset();
  for (std::size_t s = 0; s < kHuffmanStreams; ++s) {
    streams[s].bit = 8 * from;
    from += sizes[s];
    streams[s].bit_end = 8 * from;
    streams[s].at = std::min(s * share, into.size());
    streams[s].end = std::min((s + 1) * share, into.size());
  }

  tables_->build(code);
  for (std::size_t rounds = safe_rounds(streams); rounds != 0; rounds = safe_rounds(streams)) {
#if CAIRN_X86_SIMD
    if (level >= SimdLevel::avx2) {
      decode_rounds_bmi2(tables_->many.data(), body.data(), into.data(), streams, rounds);
      continue;
    }
#endif
    decode_rounds_baseline(tables_->many.data(), body.data(), into.data(), streams, rounds);
  }
  return std::all_of(streams.begin(), streams.end(),
                     [&](Stream& stream) { return decode_rest(tables_->single, body, into.data(), stream); });
}

}  // namespace cairn
