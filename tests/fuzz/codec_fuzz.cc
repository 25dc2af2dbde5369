// SPDX-License-Identifier: Apache-2.0
//
// Decodes hostile payloads, and encodes and decodes arbitrary content. The input: a byte
// that chooses, then three bytes of block size (to decode) or a byte of dtype (to encode),
// then payload or content. Choices 0 to 5 decode with that codec; from 128 on, the first part of
// the content is encoded as its difference from the other half, or, from 192 on, from three others; any other encodes.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "engine/codec/block_codec.h"
#include "engine/codec/delta.h"
#include "engine/codec/float_split.h"

namespace {

constexpr std::size_t kBlockMax = cairn::MiB;

void require(bool condition) {
  if (!condition) std::abort();
}

void decode(cairn::CodecId codec, cairn::Bytes input) {
  if (input.size() < 3) return;
  const auto at = [&](std::size_t i) { return std::to_integer<std::size_t>(input[i]); };
  const std::size_t size = (at(0) | at(1) << 8 | at(2) << 16) % (kBlockMax + 1);
  const cairn::Bytes payload = input.subspan(3);
  std::vector<std::byte> into(size);
  cairn::BlockDecoder decoder;
  const cairn::Status status = decoder.decode(codec, payload, into);
  require(status.ok() || status.error().code == cairn::ErrorCode::corruption);
  if (codec != cairn::CodecId::float_split) return;
  // Every level must agree on whether it decodes, and to what.
  cairn::Buffer planes;
  cairn::HuffmanDecoder huffman;
  std::vector<std::byte> scalar(size);
  const bool decoded = cairn::decode_float_split(payload, scalar, planes, huffman, cairn::SimdLevel::scalar) == nullptr;
  require(decoded == status.ok());
  require(!decoded || scalar == into);
}

// A base that has every byte, small and large floats among them.
std::vector<std::byte> some_base(std::size_t size) {
  std::vector<std::byte> base(size);
  for (std::size_t i = 0; i < size; ++i) base[i] = static_cast<std::byte>(i * 37 ^ i >> 6);
  return base;
}

void decode_delta(cairn::Bytes input) {
  if (input.size() < 3) return;
  const auto at = [&](std::size_t i) { return std::to_integer<std::size_t>(input[i]); };
  const std::size_t size = (at(0) | at(1) << 8 | at(2) << 16) % (kBlockMax + 1);
  const cairn::Bytes payload = input.subspan(3);
  // Three bases are asked for by what has a predictor.
  const std::vector<std::byte> base = some_base(size);
  const std::array<cairn::Bytes, 3> three{base, base, base};
  const bool predicted = !payload.empty() && payload[0] != std::byte{0};
  const auto bases = std::span(three).first(predicted ? 3 : 1);
  std::vector<std::byte> into(size), scalar(size);
  cairn::DeltaDecoder decoder;
  const bool decoded = decoder.decode(payload, bases, into, cairn::simd_level()) == nullptr;
  require(decoded == (decoder.decode(payload, bases, scalar, cairn::SimdLevel::scalar) == nullptr));
  require(!decoded || scalar == into);
}

// The first part of the input against the others, one or three: the same on every level, and back again.
void encode_delta(cairn::Bytes input, std::size_t parts) {
  if (input.empty()) return;
  const auto dtype =
      parts == 3 ? cairn::DType::f32 : static_cast<cairn::DType>(std::to_integer<unsigned>(input[0]) % 28);
  const std::size_t size = (input.size() - 1) / (1 + parts);
  if (size == 0) return;
  const cairn::Bytes content = input.subspan(1, size);
  std::array<cairn::Bytes, 3> all;
  for (std::size_t i = 0; i < parts; ++i) all[i] = input.subspan(1 + (i + 1) * size, size);
  const auto bases = std::span<const cairn::Bytes>(all).first(parts);
  cairn::DeltaEncoder encoder;
  const cairn::Bytes encoded = encoder.encode(content, bases, dtype, cairn::SimdLevel::scalar);
  const std::vector<std::byte> payload(encoded.begin(), encoded.end());
  const cairn::Bytes again = encoder.encode(content, bases, dtype, cairn::simd_level());
  require(std::equal(again.begin(), again.end(), payload.begin(), payload.end()));
  if (payload.empty()) return;
  cairn::DeltaDecoder decoder;
  std::vector<std::byte> into(size);
  for (const cairn::SimdLevel level : {cairn::SimdLevel::scalar, cairn::simd_level()}) {
    require(decoder.decode(payload, bases, into, level) == nullptr);
    require(std::equal(content.begin(), content.end(), into.begin()));
  }
}

void encode(cairn::CodecChoice choice, cairn::Bytes input) {
  if (input.empty()) return;
  const auto dtype = static_cast<cairn::DType>(std::to_integer<unsigned>(input[0]) % 28);
  const cairn::Bytes content = input.subspan(1);
  cairn::BlockEncoder encoder;
  const cairn::Encoded encoded = encoder.encode(content, dtype, {.choice = choice, .zstd_level = 1});
  require(encoded.payload.size() <= content.size());
  std::vector<std::byte> into(content.size());
  cairn::BlockDecoder decoder;
  require(decoder.decode(encoded.codec, encoded.payload, into).ok());
  require(std::equal(content.begin(), content.end(), into.begin()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const cairn::Bytes input = std::as_bytes(std::span(data, size));
  if (data[0] <= 4) {
    decode(static_cast<cairn::CodecId>(data[0]), input.subspan(1));
  } else if (data[0] == 5) {
    decode_delta(input.subspan(1));
  } else if (data[0] >= 128) {
    encode_delta(input.subspan(1), data[0] < 192 ? 1 : 3);
  } else {
    encode(static_cast<cairn::CodecChoice>(data[0] % 4), input.subspan(1));
  }
  return 0;
}
