// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/sample.h"

#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

namespace cairn {
namespace {

// Eight stretches of 2 KiB: long enough for repeats nearby to show, many enough for rows
// of different scale.
constexpr std::size_t kStretches = 8;
constexpr std::size_t kStretchBytes = 2 * KiB;
constexpr std::size_t kSampleBytes = kStretches * kStretchBytes;
// LZ4 skips faster through what does not match; a probe need not find every repeat.
constexpr int kProbeAcceleration = 4;
constexpr int kProbeLevel = 1;

// log2(x) × 4096 for x ≥ 1, within 0.2 %: exponent, and a parabola through the mantissa.
// Integers, so that no machine's libm has a say.
constexpr std::uint64_t log2_scaled(std::uint64_t x) noexcept {
  const auto exponent = static_cast<unsigned>(std::bit_width(x)) - 1;
  const std::uint64_t fraction = ((x << 12) >> exponent) - 4096;  // in [0, 4096)
  // log2(1 + f) ≈ f + 0.3437 f (1 - f)
  return (std::uint64_t{exponent} << 12) + fraction + 1408 * (fraction * (4096 - fraction) / 4096) / 4096;
}

// Bytes that a plane of `size` would take when coded, guessed from a sample's counts:
// its order-0 entropy, at least a bit for each symbol, and the body's head.
std::uint64_t coded_bytes(const ByteCounts& counts, std::uint64_t sampled, std::uint64_t size) noexcept {
  std::uint64_t scaled = 0, present = 0;
  for (const std::uint32_t count : counts) {
    if (count == 0) continue;
    scaled += count * (log2_scaled(sampled) - std::min(log2_scaled(count), log2_scaled(sampled)));
    ++present;
  }
  if (present == 1) return 2;
  // A sample looks more regular than what it is drawn from: add 0.72 bits per distinct byte.
  const std::uint64_t bits = std::max(scaled / 4096 + present * 3 / 4, sampled);
  return bits * size / sampled / 8 + kHuffmanPresentBytes + present / 2 + kHuffmanSizesBytes + kHuffmanStreams;
}

}  // namespace

struct Sampler::Scratch {
  std::array<std::byte, kSampleBytes> sample;
  std::array<std::byte, kSampleBytes> planes;
  std::array<char, LZ4_COMPRESSBOUND(kSampleBytes)> lz4_out;
  std::vector<std::byte> lz4_state = std::vector<std::byte>(static_cast<std::size_t>(LZ4_sizeofState()));
  std::vector<std::byte> zstd_out = std::vector<std::byte>(ZSTD_compressBound(kSampleBytes));
  ZSTD_CCtx* zstd = nullptr;
};

Sampler::Sampler() : scratch_(std::make_unique_for_overwrite<Scratch>()) {}
Sampler::~Sampler() { ZSTD_freeCCtx(scratch_->zstd); }

Plan Sampler::plan(Bytes content, DType dtype, SimdLevel level) {
  Scratch& scratch = *scratch_;
  const PlaneLayout layout = plane_layout(dtype);

  // Whole elements from their boundaries; the last stretch ends near the end.
  Bytes sample = content;
  if (content.size() > kSampleBytes) {
    const std::size_t step = (content.size() - kStretchBytes) / (kStretches - 1) / kPlanesMax * kPlanesMax;
    for (std::size_t i = 0; i < kStretches; ++i) {
      std::memcpy(scratch.sample.data() + i * kStretchBytes, content.data() + i * step, kStretchBytes);
    }
    sample = scratch.sample;
  }

  const std::size_t sampled = sample.size() / layout.width;
  const std::size_t count = content.size() / layout.width;
  Plan split{CodecId::float_split, layout, 0};
  std::uint64_t split_bytes = content.size();
  if (sampled != 0) {
    Planes planes{};
    for (unsigned p = 0; p < layout.width; ++p) planes[p] = scratch.planes.data() + p * sampled;
    split_planes(sample.data(), sampled, layout, planes, level);
    split_bytes = content.size() % layout.width;
    for (unsigned p = 0; p < layout.width; ++p) {
      const std::uint64_t coded = coded_bytes(count_for_code({planes[p], sampled}, level), sampled, count);
      if (coded < count - count / 64) {
        split.coded |= PlaneMask{1} << p;
        split_bytes += coded;
      } else {
        split_bytes += count;
      }
    }
  }

  // zstd is worth the asking only where LZ4 already finds repeats, or for small content,
  // where the sample is all there is.
  const int matched = LZ4_compress_fast_extState(scratch.lz4_state.data(), reinterpret_cast<const char*>(sample.data()),
                                                 scratch.lz4_out.data(), static_cast<int>(sample.size()),
                                                 static_cast<int>(scratch.lz4_out.size()), kProbeAcceleration);
  std::uint64_t zstd_bytes = content.size();
  if (matched > 0 && static_cast<std::size_t>(matched) < sample.size() - sample.size() / 16) {
    if (scratch.zstd == nullptr) scratch.zstd = ZSTD_createCCtx();
    const std::size_t size = ZSTD_compressCCtx(scratch.zstd, scratch.zstd_out.data(), scratch.zstd_out.size(),
                                               sample.data(), sample.size(), kProbeLevel);
    if (ZSTD_isError(size) == 0) zstd_bytes = size * content.size() / sample.size();
  }

  // Worth decoding later: at least a 64th saved.
  if (std::min(split_bytes, zstd_bytes) > content.size() - content.size() / 64) return {};
  if (zstd_bytes < split_bytes) return {CodecId::zstd, {}, 0};
  return split;
}

}  // namespace cairn
