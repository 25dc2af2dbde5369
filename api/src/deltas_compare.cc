// SPDX-License-Identifier: Apache-2.0
//
// Deltas: how two tensors differ, and which kind of delta would take how much.
#include <algorithm>
#include <cmath>

#include "api/src/delta_store.h"
#include "cairn/retention.h"
#include "engine/base/errors.h"
#include "engine/delta/comparison.h"
#include "engine/delta/tensor_delta.h"

namespace cairn {
namespace {

// What is encoded to find out: this many stretches of so many bytes, evenly spread.
constexpr std::uint64_t kStretches = 16, kStretchBytes = 128 * KiB;

struct Pair {
  ReadableTensor target, base;
};

Result<Pair> open(StoreImpl& store, const TensorBytes& target, const DeltaBase& base) {
  CAIRN_CHECK(store.follow());
  store.settle_puts();
  CAIRN_TRY(ReadableTensor of_target, open_given(target, "target"));
  CAIRN_TRY(ReadableTensor of_base, open_base(store, base));
  CAIRN_CHECK(check_base(of_target, of_base));
  return Pair{std::move(of_target), std::move(of_base)};
}

struct Stretch {
  std::uint64_t offset = 0;
  std::vector<std::byte> target, base;
};

Result<std::vector<Stretch>> take_sample(const Pair& pair) {
  const std::uint64_t bytes = pair.target.bytes;
  const bool all = bytes <= kStretches * kStretchBytes;
  std::vector<Stretch> sample;
  const std::uint64_t step = all ? kStretchBytes : (bytes - kStretchBytes) / (kStretches - 1) / 16 * 16;
  for (std::uint64_t at = 0; at < bytes && (all || sample.size() < kStretches); at += step) {
    const std::size_t length = std::min<std::uint64_t>(kStretchBytes, bytes - at);
    CAIRN_TRY(const Bytes of_target, pair.target.content->read(at, length));
    CAIRN_TRY(const Bytes of_base, pair.base.content->read(at, length));
    sample.push_back({at, {of_target.begin(), of_target.end()}, {of_base.begin(), of_base.end()}});
  }
  return sample;
}

// What blocks of these bytes take, each stretch a block of its own.
std::uint64_t stored_bytes(BlockEncoder& encoder, const DeltaPlan& plan, const DeltaStreams& streams) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const Bytes stream = streams[i];
    for (std::size_t at = 0; at < stream.size(); at += MiB) {
      const Bytes block = stream.subspan(at, std::min<std::size_t>(MiB, stream.size() - at));
      bytes += encoder.encode(block, stream_dtype(plan, i), {}).payload.size();
    }
  }
  return bytes;
}

// Steps are sized by what the sample holds.
std::uint64_t estimate(const DeltaPlan& plan, std::optional<double> max_error, const std::vector<Stretch>& sample) {
  TensorDeltaEncoder deltas(plan, max_error);
  if (deltas.looks_first()) {
    for (const Stretch& stretch : sample) deltas.look(stretch.offset, stretch.target, stretch.base);
  }
  BlockEncoder encoder;
  DeltaStreams streams(stream_count(plan));
  deltas.begin(streams);
  const std::uint64_t fixed = stored_bytes(encoder, plan, streams);
  std::uint64_t taken = 0, sampled = 0;
  for (const Stretch& stretch : sample) {
    for (auto& stream : streams) stream.clear();
    deltas.encode(stretch.offset, stretch.target, stretch.base, streams);
    taken += stored_bytes(encoder, plan, streams);
    sampled += stretch.target.size();
  }
  if (sampled == 0) return fixed;
  const long double share = static_cast<long double>(taken) / static_cast<long double>(sampled);
  return fixed + static_cast<std::uint64_t>(share * static_cast<long double>(plan.bytes));
}

std::uint64_t estimate_whole(DType dtype, std::uint64_t bytes, const std::vector<Stretch>& sample) {
  BlockEncoder encoder;
  std::uint64_t taken = 0, sampled = 0;
  for (const Stretch& stretch : sample) {
    taken += encoder.encode(stretch.target, dtype, {}).payload.size();
    sampled += stretch.target.size();
  }
  if (sampled == 0) return 0;
  return static_cast<std::uint64_t>(static_cast<long double>(taken) / static_cast<long double>(sampled) *
                                    static_cast<long double>(bytes));
}

void choose(DeltaRecommendation& found, const DeltaLimits& limits, std::uint64_t bytes) {
  const auto& best = found.candidates.front();
  const std::string smallest = std::string(delta_kind_name(best.kind)) + " takes the least, about " +
                               std::to_string(best.bytes) + " of " + std::to_string(bytes) + " bytes";
  if (bytes < limits.minimum_bytes) {
    found.reason = "the target has " + std::to_string(bytes) + " bytes, less than minimum_bytes";
  } else if (best.kind == DeltaKind::whole) {
    found.reason = smallest + ": no difference is smaller than the content itself";
  } else if (static_cast<double>(best.bytes) > limits.maximum_ratio * static_cast<double>(bytes)) {
    found.reason = smallest + ": more than maximum_ratio, " + metric_text(limits.maximum_ratio) + ", allows";
  } else {
    found.kind = best.kind;
    found.reason = smallest;
    if (!is_lossless(best.kind)) found.reason += ", with an error of at most " + metric_text(*limits.max_error);
  }
}

}  // namespace

Result<DeltaStatistics> Deltas::compare(const TensorBytes& target, const DeltaBase& base) {
  CAIRN_TRY(const Pair pair, open(*store_, target, base));
  Comparison comparison(pair.target.dtype);
  const auto add = [&](std::uint64_t, Bytes of_target, Bytes of_base) -> Result<bool> {
    comparison.add(of_target, of_base);
    return true;
  };
  CAIRN_CHECK(for_each_piece(pair.target, pair.base, add));
  return comparison.finish();
}

Result<DeltaRecommendation> Deltas::recommend(const TensorBytes& target, const DeltaBase& base,
                                              const DeltaLimits& limits) {
  if (limits.max_error && !(*limits.max_error >= 0 && std::isfinite(*limits.max_error))) {
    return make_error(ErrorCode::invalid_argument, "max_error is a finite number, and not negative");
  }
  CAIRN_TRY(const Pair pair, open(*store_, target, base));
  CAIRN_TRY(const std::vector<Stretch> sample, take_sample(pair));
  DeltaRecommendation found;
  found.candidates.push_back({DeltaKind::whole, estimate_whole(pair.target.dtype, pair.target.bytes, sample)});
  for (std::uint8_t number = 1; delta_kind_is_valid(number); ++number) {
    const auto kind = static_cast<DeltaKind>(number);
    const DeltaPlan plan{.kind = kind,
                         .dtype = pair.target.dtype,
                         .shape = pair.target.shape,
                         .bytes = pair.target.bytes,
                         .axis = kind == DeltaKind::axis_scaled ? limits.axis : 0};
    if (!check_plan(plan).ok() || (!is_lossless(kind) && !limits.max_error)) continue;
    found.candidates.push_back({kind, estimate(plan, is_lossless(kind) ? std::nullopt : limits.max_error, sample)});
  }
  std::ranges::stable_sort(found.candidates, {}, &DeltaRecommendation::Candidate::bytes);
  choose(found, limits, pair.target.bytes);
  return found;
}

}  // namespace cairn
