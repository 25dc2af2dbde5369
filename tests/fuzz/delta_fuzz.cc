// SPDX-License-Identifier: Apache-2.0
//
// The streams of delta objects as hostile bytes, and differences between arbitrary tensors. The input: a byte that
// chooses the kind, and whether to decode (below 128) or to encode; a byte of dtype; two of how many elements; eight of
// the step or the bound; and then streams, each with two bytes of size, or the elements of target and base.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "engine/base/endian.h"
#include "engine/delta/comparison.h"
#include "engine/delta/tensor_delta.h"

namespace cairn {
namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

Status decode(const DeltaPlan& plan, const DeltaStreams& streams, Bytes base, std::vector<std::byte>& into) {
  TensorDeltaDecoder decoder(plan);
  MemoryDeltaInput input(streams);
  CAIRN_CHECK(decoder.check_streams(input));
  CAIRN_CHECK(decoder.begin(input));
  into.resize(base.size());
  CAIRN_CHECK(decoder.decode(0, input, base, into));
  return TensorDeltaDecoder::finish(input);
}

void fuzz_decode(const DeltaPlan& plan, ByteReader& reader) {
  DeltaStreams streams;
  while (streams.size() < 9 && reader.remaining() >= 2) {
    const std::size_t declared = *reader.get<std::uint16_t>();
    const Bytes bytes = *reader.get_bytes(std::min(declared, reader.remaining()));
    streams.emplace_back(bytes.begin(), bytes.end());
  }
  std::vector<std::byte> base(plan.bytes), into;
  for (std::size_t i = 0; i < base.size(); ++i) base[i] = static_cast<std::byte>(i * 37 ^ i >> 6);
  const Status status = decode(plan, streams, base, into);
  require(status.ok() || status.error().code == ErrorCode::corruption);
}

void fuzz_encode(DeltaPlan plan, std::uint64_t word, ByteReader& reader) {
  if (reader.remaining() < 2 * plan.bytes) return;
  const Bytes target = *reader.get_bytes(plan.bytes), base = *reader.get_bytes(plan.bytes);
  const double bound = std::abs(std::bit_cast<double>(word));
  const bool bounded = plan.kind == DeltaKind::sparse || word % 2 == 0;
  plan.step = 0;
  if (bounded && !std::isfinite(bound)) return;
  TensorDeltaEncoder encoder(plan, bounded ? std::optional(bound) : std::nullopt);
  if (encoder.looks_first()) encoder.look(0, target, base);
  DeltaStreams streams(stream_count(plan));
  encoder.begin(streams);
  encoder.encode(0, target, base, streams);
  std::vector<std::byte> back;
  require(decode(encoder.plan(), streams, base, back).ok());
  if (is_lossless(plan.kind)) return require(std::ranges::equal(back, target));
  std::vector<Size> errors(plan.elements());
  distances(plan.dtype, target, back, errors.data());
  const Size limit = size_within(plan.dtype, bounded ? bound : encoder.largest_error());
  require(std::ranges::all_of(errors, [&](Size error) { return error <= limit; }));
  require(!bounded || encoder.largest_error() <= bound);
  Comparison comparison(plan.dtype);
  comparison.add(target, back);
  require(comparison.finish().elements == plan.elements());
}

}  // namespace
}  // namespace cairn

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn;
  ByteReader reader(std::as_bytes(std::span(data, size)));
  const auto choice = reader.get<std::uint8_t>(), dtype = reader.get<std::uint8_t>();
  const auto elements = reader.get<std::uint16_t>();
  const auto word = reader.get<std::uint64_t>();
  if (!word) return 0;
  DeltaPlan plan{.kind = static_cast<DeltaKind>(1 + *choice % 8),
                 .dtype = static_cast<DType>(*dtype % 28),
                 .shape = {*elements % 4096u},
                 .step = *word};
  const unsigned bits = dtype_bits(plan.dtype);
  plan.bytes = bits == 0 ? plan.shape[0] : (plan.shape[0] * bits + 7) / 8;
  if (plan.kind == DeltaKind::axis_scaled) plan.shape = {1, plan.shape[0]};
  if (!check_plan(plan).ok()) return 0;
  if (*choice < 128) {
    fuzz_decode(plan, reader);
  } else {
    fuzz_encode(plan, *word, reader);
  }
  return 0;
}
