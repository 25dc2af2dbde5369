// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/rans.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include "engine/base/endian.h"
#include "engine/codec/rans_kernels.h"

namespace cairn {
namespace {

using Counts = std::array<std::uint32_t, 256>;
using Frequencies = std::array<std::uint32_t, 256>;  // they add up to kRansTotal

// Four tables in turn: the same counter twice in a row would wait for itself.
constexpr std::size_t kCounters = 4;
using Counters = std::array<std::vector<std::uint32_t>, kCounters>;

void count_symbols(std::span<const RansIndex> indexes, std::size_t context_count, Counters& counters) {
  for (auto& one : counters) one.assign(context_count * kRansContextStride, 0);
  std::array<std::uint32_t*, kCounters> to;
  for (std::size_t k = 0; k < kCounters; ++k) to[k] = counters[k].data();
  std::size_t i = 0;
  for (; i + kCounters <= indexes.size(); i += kCounters) {
    std::uint64_t four;
    std::memcpy(&four, indexes.data() + i, sizeof(four));
    ++to[0][four & 0xffff];
    ++to[1][four >> 16 & 0xffff];
    ++to[2][four >> 32 & 0xffff];
    ++to[3][four >> 48];
  }
  for (; i < indexes.size(); ++i) ++to[0][indexes[i]];
}

Counts counts_of(const Counters& counters, std::size_t context) noexcept {
  Counts counts{};
  for (const auto& one : counters) {
    for (std::size_t s = 0; s < counts.size(); ++s) counts[s] += one[context * kRansContextStride + s];
  }
  return counts;
}

// In proportion, at least 1 for what occurs; what rounding leaves over goes to, or comes
// from, the most frequent.
Frequencies normalized(const Counts& counts) noexcept {
  std::uint64_t total = 0;
  for (const std::uint32_t count : counts) total += count;
  Frequencies frequencies{};
  if (total == 0) {
    frequencies[0] = kRansTotal;
    return frequencies;
  }
  std::int64_t left = kRansTotal;
  for (std::size_t s = 0; s < counts.size(); ++s) {
    if (counts[s] == 0) continue;
    const std::uint64_t share = (std::uint64_t{counts[s]} * kRansTotal + total / 2) / total;
    frequencies[s] = static_cast<std::uint32_t>(std::max<std::uint64_t>(share, 1));
    left -= frequencies[s];
  }
  while (left != 0) {
    std::uint32_t& most = *std::max_element(frequencies.begin(), frequencies.end());
    const std::int64_t step = left > 0 ? left : std::max<std::int64_t>(left, -static_cast<std::int64_t>(most / 2));
    most = static_cast<std::uint32_t>(most + step);
    left -= step;
  }
  return frequencies;
}

// The highest symbol, then each frequency from 0 to there: one byte below 128, otherwise two,
// of which the first has its top bit set and the low seven bits.
std::byte* write_frequencies(const Frequencies& frequencies, std::byte* out) noexcept {
  std::size_t last = 255;
  while (frequencies[last] == 0) --last;
  *out++ = static_cast<std::byte>(last);
  for (std::size_t s = 0; s <= last; ++s) {
    if (frequencies[s] < 128) {
      *out++ = static_cast<std::byte>(frequencies[s]);
    } else {
      *out++ = static_cast<std::byte>(0x80 | (frequencies[s] & 0x7f));
      *out++ = static_cast<std::byte>(frequencies[s] >> 7);
    }
  }
  return out;
}

bool read_frequencies(ByteReader& reader, Frequencies& frequencies) {
  frequencies.fill(0);
  const auto last = reader.get<std::uint8_t>();
  if (!last) return false;
  std::uint32_t sum = 0;
  for (std::size_t s = 0; s <= *last; ++s) {
    const auto low = reader.get<std::uint8_t>();
    if (!low) return false;
    std::uint32_t frequency = *low;
    if (*low >= 128) {
      const auto high = reader.get<std::uint8_t>();
      if (!high || *high == 0) return false;
      frequency = (*low & 0x7fU) | std::uint32_t{*high} << 7;
    }
    frequencies[s] = frequency;
    sum += frequency;
    if (sum > kRansTotal) return false;
  }
  return sum == kRansTotal && frequencies[*last] != 0;
}

}  // namespace

struct RansEncoder::Tables {
  RansEncodeTable codes;
  Counters counters;
  std::vector<RansIndex> indexes;

  void set(std::size_t context, const Frequencies& frequencies) noexcept {
    std::uint32_t start = 0;
    for (std::size_t s = 0; s < frequencies.size(); ++s) {
      const std::uint32_t frequency = frequencies[s];
      const std::size_t at = context * kRansContextStride + s;
      if (frequency < 2) {
        // The quotient by this reciprocal is one too small; the bias makes up for it.
        codes.code[at] = 0xffffffff | std::uint64_t{frequency} << 32 | std::uint64_t{start + kRansTotal - 1} << 45;
      } else {
        const auto shift = static_cast<unsigned>(std::bit_width(frequency - 1));
        const std::uint64_t reciprocal = ((std::uint64_t{1} << (shift + 31)) + frequency - 1) / frequency;
        codes.code[at] =
            reciprocal | std::uint64_t{frequency} << 32 | std::uint64_t{start} << 45 | std::uint64_t{shift - 1} << 58;
      }
      start += frequency;
    }
  }
};

RansEncoder::RansEncoder() : tables_(std::make_unique_for_overwrite<Tables>()) {}
RansEncoder::~RansEncoder() = default;
RansEncoder::RansEncoder(RansEncoder&&) noexcept = default;
RansEncoder& RansEncoder::operator=(RansEncoder&&) noexcept = default;

std::size_t RansEncoder::encode(Bytes symbols, Bytes contexts, std::size_t context_count, std::byte* out,
                                SimdLevel level) {
  tables_->indexes.resize(symbols.size());
  rans_indexes(symbols, contexts, tables_->indexes.data(), level);
  count_symbols(tables_->indexes, context_count, tables_->counters);
  std::byte* at = out;
  for (std::size_t c = 0; c < context_count; ++c) {
    const Frequencies frequencies = normalized(counts_of(tables_->counters, c));
    at = write_frequencies(frequencies, at);
    tables_->set(c, frequencies);
  }
  // Words come out the last first, so they are written from the end of the room and moved.
  RansStates states;
  states.fill(kRansLow);
  std::byte* const end = out + rans_bound(symbols.size());
  const std::byte* const words = rans_encode_words(tables_->indexes, tables_->codes, states, end, level);
  for (const std::uint32_t state : states) {
    store_le(at, state);
    at += 4;
  }
  const auto size = static_cast<std::size_t>(end - words);
  std::memmove(at, words, size);
  return static_cast<std::size_t>(at - out) + size;
}

struct RansDecoder::Tables {
  RansDecodeTable table;

  void set(std::size_t context, const Frequencies& frequencies) noexcept {
    std::uint32_t* entry = table.entry.data() + context * kRansTotal;
    for (std::size_t s = 0; s < frequencies.size(); ++s) {
      const auto fixed = static_cast<std::uint32_t>(s) | (frequencies[s] - 1) << 8;
      for (std::uint32_t k = 0; k < frequencies[s]; ++k) *entry++ = fixed | k << 20;
    }
  }
};

RansDecoder::RansDecoder() : tables_(std::make_unique_for_overwrite<Tables>()) {}
RansDecoder::~RansDecoder() = default;
RansDecoder::RansDecoder(RansDecoder&&) noexcept = default;
RansDecoder& RansDecoder::operator=(RansDecoder&&) noexcept = default;

bool RansDecoder::decode(Bytes body, Bytes contexts, std::size_t context_count, MutableBytes symbols, SimdLevel level) {
  ByteReader reader(body);
  Frequencies frequencies;
  for (std::size_t c = 0; c < context_count; ++c) {
    if (!read_frequencies(reader, frequencies)) return false;
    tables_->set(c, frequencies);
  }
  RansStates states;
  for (std::uint32_t& state : states) {
    const auto value = reader.get<std::uint32_t>();
    if (!value || *value < kRansLow || *value >= kRansLow << 16) return false;
    state = *value;
  }
  return rans_decode_words(body.subspan(reader.offset()), contexts, tables_->table, states, symbols, level);
}

}  // namespace cairn
