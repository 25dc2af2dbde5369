// SPDX-License-Identifier: Apache-2.0
//
// Which codec encodes a block, and the plain ones: raw, constant, lz4, zstd.
#include "engine/codec/block_codec.h"

#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "engine/base/endian.h"
#include "engine/base/errors.h"
#include "engine/codec/buffer.h"
#include "engine/codec/delta.h"
#include "engine/codec/float_split.h"
#include "engine/codec/sample.h"

namespace cairn {
namespace {

constexpr std::size_t kPatternMax = 8;
constexpr std::size_t kDeltaBytesMin = 512;
constexpr std::uint32_t kZstdMagic = 0xFD2FB528;
// 16 MiB: no frame of a block needs a larger window.
constexpr int kZstdWindowLogMax = 24;

// The size of the shortest pattern that repeated gives `content`, or 0. Content equals
// itself shifted by the pattern's size, and memcmp stops at the first difference.
std::size_t pattern_size(Bytes content) noexcept {
  std::size_t found = 0;
  for (std::size_t size = kPatternMax; size != 0; size /= 2) {
    if (size >= content.size()) continue;
    if (std::memcmp(content.data(), content.data() + size, content.size() - size) != 0) break;
    found = size;
  }
  return found;
}

void fill_pattern(Bytes pattern, MutableBytes into) noexcept {
  if (pattern.size() == 1) {
    std::fill(into.begin(), into.end(), pattern[0]);
    return;
  }
  std::size_t filled = std::min(pattern.size(), into.size());
  std::copy_n(pattern.begin(), filled, into.begin());
  // Doubling keeps whole patterns in front until the last, shorter copy.
  while (filled < into.size()) {
    const std::size_t more = std::min(filled, into.size() - filled);
    std::memcpy(into.data() + filled, into.data(), more);
    filled += more;
  }
}

Error corrupt(std::string_view codec, std::string_view why) {
  return make_error(ErrorCode::corruption, std::string(codec) + " payload of a block: " + std::string(why));
}

struct FreeZstd {
  void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

}  // namespace

std::string_view codec_name(CodecId codec) noexcept {
  switch (codec) {
    case CodecId::raw: return "raw";
    case CodecId::constant: return "constant";
    case CodecId::lz4: return "lz4";
    case CodecId::zstd: return "zstd";
    case CodecId::float_split: return "float_split";
    case CodecId::delta: return "delta";
  }
  return "unknown";
}

struct BlockEncoder::Scratch {
  Buffer payload, planes;
  DeltaEncoder delta;
  Sampler sampler;
  std::unique_ptr<ZSTD_CCtx, FreeZstd> zstd;

  // Empty when the result is not smaller than the content.
  Bytes lz4(Bytes content) {
    const auto room = static_cast<int>(content.size() - 1);
    auto* const out = reinterpret_cast<char*>(payload.at_least(content.size()));
    const int size = LZ4_compress_default(reinterpret_cast<const char*>(content.data()), out,
                                          static_cast<int>(content.size()), room);
    return {payload.at_least(0), size > 0 ? static_cast<std::size_t>(size) : 0};
  }

  Bytes zstd_frame(Bytes content, int level) {
    if (zstd == nullptr) zstd.reset(ZSTD_createCCtx());
    if (zstd == nullptr) return {};
    ZSTD_CCtx_reset(zstd.get(), ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(zstd.get(), ZSTD_c_compressionLevel, std::clamp(level, 1, 19));
    std::byte* const out = payload.at_least(content.size());
    const std::size_t size = ZSTD_compress2(zstd.get(), out, content.size() - 1, content.data(), content.size());
    return {out, ZSTD_isError(size) != 0 ? 0 : size};
  }
};

BlockEncoder::BlockEncoder() : scratch_(std::make_unique<Scratch>()) {}
BlockEncoder::~BlockEncoder() = default;
BlockEncoder::BlockEncoder(BlockEncoder&&) noexcept = default;
BlockEncoder& BlockEncoder::operator=(BlockEncoder&&) noexcept = default;

Encoded BlockEncoder::encode(Bytes content, DType dtype, const EncodeOptions& options) {
  const Encoded raw{CodecId::raw, content};
  if (options.choice == CodecChoice::none || content.size() < 2) return raw;
  if (const std::size_t size = pattern_size(content); size != 0) {
    std::byte* const pattern = scratch_->payload.at_least(kPatternMax);
    std::copy_n(content.begin(), size, pattern);
    return {CodecId::constant, {pattern, size}};
  }

  Encoded encoded = raw;
  switch (options.choice) {
    case CodecChoice::none: break;
    case CodecChoice::lz4: encoded = {CodecId::lz4, scratch_->lz4(content)}; break;
    case CodecChoice::zstd: encoded = {CodecId::zstd, scratch_->zstd_frame(content, options.zstd_level)}; break;
    case CodecChoice::automatic: {
      const SimdLevel level = simd_level();
      const Plan plan = scratch_->sampler.plan(content, dtype, level);
      if (plan.codec == CodecId::zstd) {
        encoded = {CodecId::zstd, scratch_->zstd_frame(content, options.zstd_level)};
      } else if (plan.codec == CodecId::float_split) {
        encoded = {CodecId::float_split,
                   encode_float_split(content, plan.layout, plan.coded, scratch_->payload, scratch_->planes, level)};
      }
      break;
    }
  }
  return encoded.payload.empty() || encoded.payload.size() >= content.size() ? raw : encoded;
}

Encoded BlockEncoder::encode_delta(Bytes content, DType dtype, std::span<const Bytes> bases) {
  const Encoded raw{CodecId::raw, content};
  const auto fits = [&](Bytes base) { return base.size() == content.size(); };
  // Less than the states of its entropy coder take is not worth a look.
  if (content.size() < kDeltaBytesMin || bases.empty() || !std::all_of(bases.begin(), bases.end(), fits)) return raw;
  const Bytes payload = scratch_->delta.encode(content, bases, dtype, simd_level());
  return !payload.empty() && payload.size() < content.size() ? Encoded{CodecId::delta, payload} : raw;
}

struct BlockDecoder::Scratch {
  Buffer planes;
  DeltaDecoder delta;
  HuffmanDecoder huffman;
  std::unique_ptr<ZSTD_DCtx, FreeZstd> zstd;
};

BlockDecoder::BlockDecoder() : scratch_(std::make_unique<Scratch>()) {}
BlockDecoder::~BlockDecoder() = default;
BlockDecoder::BlockDecoder(BlockDecoder&&) noexcept = default;
BlockDecoder& BlockDecoder::operator=(BlockDecoder&&) noexcept = default;

Status BlockDecoder::decode(CodecId codec, Bytes payload, MutableBytes into, std::span<const Bytes> bases) {
  switch (codec) {
    case CodecId::raw: {
      if (payload.size() != into.size()) return corrupt("raw", "its size is not the block's");
      std::copy(payload.begin(), payload.end(), into.begin());
      return {};
    }
    case CodecId::constant: {
      if (payload.empty() || payload.size() > kPatternMax || (payload.size() & (payload.size() - 1)) != 0) {
        return corrupt("constant", "a pattern has 1, 2, 4 or 8 bytes");
      }
      fill_pattern(payload, into);
      return {};
    }
    case CodecId::lz4: {
      if (payload.size() > LZ4_MAX_INPUT_SIZE || into.size() > LZ4_MAX_INPUT_SIZE)
        return corrupt("lz4", "it is too large");
      const int size =
          LZ4_decompress_safe(reinterpret_cast<const char*>(payload.data()), reinterpret_cast<char*>(into.data()),
                              static_cast<int>(payload.size()), static_cast<int>(into.size()));
      if (size < 0 || static_cast<std::size_t>(size) != into.size())
        return corrupt("lz4", "it does not decode to the block's size");
      return {};
    }
    case CodecId::zstd: {
      // Exactly one frame of today's format: neither skippable frames nor the formats of
      // old versions, for which the library may have other decoders.
      if (payload.size() < 4 || load_le<std::uint32_t>(payload.data()) != kZstdMagic ||
          ZSTD_findFrameCompressedSize(payload.data(), payload.size()) != payload.size()) {
        return corrupt("zstd", "it is not one whole frame");
      }
      if (scratch_->zstd == nullptr) {
        scratch_->zstd.reset(ZSTD_createDCtx());
        if (scratch_->zstd == nullptr) return make_error(ErrorCode::resource_exhausted, "no memory for a zstd decoder");
        ZSTD_DCtx_setParameter(scratch_->zstd.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
      }
      const std::size_t size =
          ZSTD_decompressDCtx(scratch_->zstd.get(), into.data(), into.size(), payload.data(), payload.size());
      if (ZSTD_isError(size) != 0) return corrupt("zstd", ZSTD_getErrorName(size));
      if (size != into.size()) return corrupt("zstd", "it does not decode to the block's size");
      return {};
    }
    case CodecId::float_split: {
      const char* const why = decode_float_split(payload, into, scratch_->planes, scratch_->huffman, simd_level());
      if (why != nullptr) return corrupt("float_split", why);
      return {};
    }
    case CodecId::delta: {
      if (bases.empty()) return corrupt("delta", "it needs a base");
      const char* const why = scratch_->delta.decode(payload, bases, into, simd_level());
      if (why != nullptr) return corrupt("delta", why);
      return {};
    }
  }
  return make_error(ErrorCode::corruption,
                    "a block names codec " + std::to_string(static_cast<unsigned>(codec)) + ", which does not exist");
}

}  // namespace cairn
