// SPDX-License-Identifier: Apache-2.0
//
// Decodes hostile payloads, and encodes and decodes arbitrary content. The input: a byte
// that chooses, then three bytes of block size (to decode) or a byte of dtype (to encode),
// then payload or content. Choices 0 to 4 decode with that codec; any other encodes.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "engine/codec/block_codec.h"
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
  } else {
    encode(static_cast<cairn::CodecChoice>(data[0] % 4), input.subspan(1));
  }
  return 0;
}
