// SPDX-License-Identifier: Apache-2.0
#include "engine/write/delta_choice.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/format/delta_head.h"

namespace cairn {
namespace {

// Enough for the tables of an entropy coder to weigh little, few enough to cost little.
constexpr std::size_t kPieces = 4;
constexpr std::size_t kPieceBytes = 16 * KiB;
constexpr std::size_t kSampleBytes = kPieces * kPieceBytes;
using Sample = std::array<std::byte, kSampleBytes>;

constexpr std::size_t kHeadBytes = 12 + Digest::kSize;  // of one base

// Whole elements, the same ones of blocks of one size.
Bytes take_sample(Bytes content, Sample& into) {
  const std::size_t step = (content.size() - kPieceBytes) / (kPieces - 1) / 64 * 64;
  for (std::size_t i = 0; i < kPieces; ++i) {
    std::memcpy(into.data() + i * kPieceBytes, content.data() + i * step, kPieceBytes);
  }
  return into;
}

// What grows as the content does, and not less where there is more to repeat.
bool is_even(CodecId codec) { return codec == CodecId::raw || codec == CodecId::float_split; }

}  // namespace

bool decodes_to(Bytes content, CodecId codec, Bytes payload, std::span<const Bytes> bases) {
  thread_local BlockDecoder decoder;
  thread_local std::vector<std::byte> decoded;
  decoded.resize(content.size());
  return decoder.decode(codec, payload, decoded, bases).ok() && std::ranges::equal(decoded, content);
}

Encoded encode_beside(BlockEncoder& encoder, Bytes content, DType dtype, Bytes base, const EncodeOptions& options) {
  std::uint64_t expected = 0;  // of the whole; 0: not known
  if (content.size() >= 4 * kSampleBytes) {
    thread_local Sample of_content, of_base;
    const Bytes sample = take_sample(content, of_content);
    const std::array<Bytes, 1> from{take_sample(base, of_base)};
    const std::uint64_t delta = encoder.encode_delta(sample, dtype, from).payload.size();
    const Encoded whole = encoder.encode(sample, dtype, options);
    // Tables weigh more in a sample: half of what is clear promises enough.
    if (delta > whole.payload.size() - whole.payload.size() / 32) return encoder.encode(content, dtype, options);
    if (is_even(whole.codec)) expected = whole.payload.size() * content.size() / kSampleBytes;
  }
  const std::array<Bytes, 1> from{base};
  Encoded delta = encoder.encode_delta(content, dtype, from);
  if (delta.codec != CodecId::delta) return encoder.encode(content, dtype, options);
  if (kHeadBytes + delta.payload.size() > expected / 2) {
    thread_local std::vector<std::byte> kept;  // the encoder needs its memory for the other
    kept.assign(delta.payload.begin(), delta.payload.end());
    delta.payload = kept;
    const Encoded whole = encoder.encode(content, dtype, options);
    if (!is_clearly_smaller(kHeadBytes + kept.size(), whole.payload.size())) return whole;
  }
  if (!decodes_to(content, delta.codec, delta.payload, from)) return encoder.encode(content, dtype, options);
  return delta;
}

}  // namespace cairn
