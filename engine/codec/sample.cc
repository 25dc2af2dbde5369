// SPDX-License-Identifier: Apache-2.0
#include "engine/codec/sample.h"

#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace cairn {
namespace {

// Eight stretches of 2 KiB: long enough for repeats nearby to show, many enough for rows
// of different scale.
constexpr std::size_t kStretches = 8;
constexpr std::size_t kStretchBytes = 2 * KiB;
constexpr std::size_t kSampleBytes = kStretches * kStretchBytes;
// LZ4 skips faster through what does not match; a probe need not find every repeat.
// Below this, what guessing could save is not worth the time.
constexpr std::size_t kGuessBytesMin = 8 * KiB;
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

// Other ways to cut bytes of unknown kind, many of which are floats in a file that nobody
// parsed. A cut that is out of step with the elements still gathers most of an exponent.
constexpr std::array<PlaneLayout, 2> kGuesses{{{2, 1}, {4, 1}}};

}  // namespace

struct Sampler::Scratch {
  std::array<std::byte, kSampleBytes> sample;
  std::array<std::byte, kSampleBytes> planes;
  std::array<std::byte, LZ4_COMPRESSBOUND(kSampleBytes)> out;
  std::unique_ptr<std::byte[]> lz4_state =
      std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(LZ4_sizeofState()));
  ZSTD_CCtx* zstd = nullptr;

  // Whole elements from their boundaries, evenly spread from the start to near the end.
  Bytes take_sample(Bytes content) noexcept {
    if (content.size() <= kSampleBytes) return content;
    const std::size_t step = (content.size() - kStretchBytes) / (kStretches - 1) / kPlanesMax * kPlanesMax;
    for (std::size_t i = 0; i < kStretches; ++i) {
      std::memcpy(sample.data() + i * kStretchBytes, content.data() + i * step, kStretchBytes);
    }
    return sample;
  }

  struct SplitPlan {
    PlaneLayout layout;
    PlaneMask coded = 0;
    std::uint64_t bytes = 0;
  };
  // Which planes are worth coding, and what the whole would take.
  SplitPlan split_plan(Bytes taken, std::size_t size, PlaneLayout layout, SimdLevel level) noexcept {
    const std::size_t sampled = taken.size() / layout.width;
    const std::size_t count = size / layout.width;
    SplitPlan plan{layout, 0, size % layout.width};
    if (sampled == 0) return {layout, 0, size};
    Planes cut{};
    for (unsigned p = 0; p < layout.width; ++p) cut[p] = planes.data() + p * sampled;
    split_planes(taken.data(), sampled, layout, cut, level);
    for (unsigned p = 0; p < layout.width; ++p) {
      const std::uint64_t coded = coded_bytes(count_for_code({cut[p], sampled}, level), sampled, count);
      const bool worth_it = coded < count - count / 64;
      if (worth_it) plan.coded |= PlaneMask{1} << p;
      plan.bytes += worth_it ? coded : count;
    }
    return plan;
  }

  // What zstd would take. It is asked only where LZ4, which gives up on noise at once,
  // finds repeats.
  std::uint64_t zstd_bytes(Bytes taken, std::size_t size) noexcept {
    const int matched = LZ4_compress_fast_extState(lz4_state.get(), reinterpret_cast<const char*>(taken.data()),
                                                   reinterpret_cast<char*>(out.data()), static_cast<int>(taken.size()),
                                                   static_cast<int>(out.size()), kProbeAcceleration);
    if (matched <= 0 || static_cast<std::size_t>(matched) >= taken.size() - taken.size() / 16) return size;
    if (zstd == nullptr) zstd = ZSTD_createCCtx();
    if (zstd == nullptr) return size;
    const std::size_t found = ZSTD_compressCCtx(zstd, out.data(), out.size(), taken.data(), taken.size(), kProbeLevel);
    return ZSTD_isError(found) != 0 ? size : found * size / taken.size();
  }
};

Sampler::Sampler() : scratch_(std::make_unique_for_overwrite<Scratch>()) {}
Sampler::~Sampler() { ZSTD_freeCCtx(scratch_->zstd); }

Plan Sampler::plan(Bytes content, DType dtype, SimdLevel level) {
  const Bytes taken = scratch_->take_sample(content);
  Scratch::SplitPlan split = scratch_->split_plan(taken, content.size(), plane_layout(dtype), level);
  if (dtype_bits(dtype) == 0 && content.size() >= kGuessBytesMin) {
    for (const PlaneLayout guess : kGuesses) {
      const auto other = scratch_->split_plan(taken, content.size(), guess, level);
      if (other.bytes < split.bytes) split = other;
    }
  }
  const std::uint64_t zstd_bytes = scratch_->zstd_bytes(taken, content.size());

  // Worth decoding later: at least a 64th saved.
  if (std::min(split.bytes, zstd_bytes) > content.size() - content.size() / 64) return {};
  if (zstd_bytes < split.bytes) return {CodecId::zstd, {}, 0};
  return {CodecId::float_split, split.layout, split.coded};
}

}  // namespace cairn
