// SPDX-License-Identifier: Apache-2.0
//
// The manifest of a delta object: what a tensor's difference from another is made of. Layout:
// docs/format/delta-objects.md.
#include <bit>
#include <limits>

#include "engine/format/manifest.h"
#include "engine/format/manifest_codec.h"

namespace cairn {
namespace {

constexpr std::size_t kStreamBytes = 8 + Digest::kSize;

// One encoding for each: not negative, nor -0, and finite.
Result<double> get_size(FieldReader& reader, std::string_view field) {
  CAIRN_TRY(const auto bits, reader.get<std::uint64_t>(field));
  const auto value = std::bit_cast<double>(bits);
  if (bits >> 63 != 0 || !(value <= std::numeric_limits<double>::max())) return reader.wrong("is no size of a number");
  return value;
}

bool has_step(DeltaKind kind) { return kind == DeltaKind::int8 || kind == DeltaKind::int16; }

Status get_streams(FieldReader& reader, DeltaManifest& delta) {
  CAIRN_TRY(const auto count, reader.get_count("streams", kStreamBytes));
  if (count > DeltaManifest::kStreamsMax) return reader.wrong("is more than any kind of delta has");
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    DeltaStream stream;
    CAIRN_TRY(stream.bytes, reader.get<std::uint64_t>("stream.bytes"));
    if (!add_checked(sum, stream.bytes)) return reader.wrong("overflows the sum of all streams");
    CAIRN_TRY(stream.blob, reader.get_digest("stream.blob"));
    delta.streams.push_back(stream);
  }
  return {};
}

Status get_loss(FieldReader& reader, DeltaManifest& delta) {
  CAIRN_TRY(delta.result, reader.get_digest("result"));
  CAIRN_TRY(delta.max_error, get_size(reader, "max_error"));
  CAIRN_TRY(delta.largest_error, get_size(reader, "largest_error"));
  if (delta.largest_error > delta.max_error) return reader.wrong("is above max_error");
  CAIRN_TRY(delta.exceptions, reader.get<std::uint64_t>("exceptions"));
  if (has_step(delta.kind)) {
    CAIRN_TRY(delta.step, reader.get<std::uint64_t>("step"));
  }
  if (delta.kind == DeltaKind::axis_scaled) {
    CAIRN_TRY(delta.axis, reader.get<std::uint32_t>("axis"));
    if (delta.axis >= delta.shape.size()) return reader.wrong("is none of the tensor's");
  }
  return {};
}

}  // namespace

std::vector<std::byte> encode(const DeltaManifest& delta) {
  std::vector<std::byte> out;
  ByteWriter writer(out);
  put_manifest_start(writer, RecordKind::delta);
  writer.put(static_cast<std::uint8_t>(delta.kind));
  writer.put(static_cast<std::uint8_t>(delta.dtype));
  writer.put(static_cast<std::uint32_t>(delta.shape.size()));
  for (const std::uint64_t extent : delta.shape) writer.put(extent);
  writer.put(delta.bytes);
  put_digest(writer, delta.target);
  if (delta.kind == DeltaKind::whole) return out;
  put_digest(writer, delta.base);
  writer.put(static_cast<std::uint32_t>(delta.streams.size()));
  for (const DeltaStream& stream : delta.streams) {
    writer.put(stream.bytes);
    put_digest(writer, stream.blob);
  }
  if (is_lossless(delta.kind)) return out;
  put_digest(writer, delta.result);
  writer.put(std::bit_cast<std::uint64_t>(delta.max_error));
  writer.put(std::bit_cast<std::uint64_t>(delta.largest_error));
  writer.put(delta.exceptions);
  if (has_step(delta.kind)) writer.put(delta.step);
  if (delta.kind == DeltaKind::axis_scaled) writer.put(delta.axis);
  return out;
}

Result<DeltaManifest> decode_delta(Bytes bytes) {
  FieldReader reader("delta manifest", bytes);
  CAIRN_CHECK(check_manifest_start(reader, RecordKind::delta));
  DeltaManifest delta;
  CAIRN_TRY(const auto kind, reader.get<std::uint8_t>("delta_kind"));
  if (!delta_kind_is_valid(kind)) return reader.wrong("is " + std::to_string(kind) + ", no known kind of delta");
  delta.kind = static_cast<DeltaKind>(kind);
  CAIRN_TRY(const auto dtype, reader.get<std::uint8_t>("dtype"));
  if (!dtype_is_valid(dtype)) return reader.wrong("is " + std::to_string(dtype) + ", no known element type");
  delta.dtype = static_cast<DType>(dtype);
  CAIRN_TRY(const auto rank, reader.get_count("rank", sizeof(std::uint64_t)));
  delta.shape.reserve(rank);
  for (std::uint32_t i = 0; i < rank; ++i) {
    CAIRN_TRY(const auto extent, reader.get<std::uint64_t>("shape"));
    delta.shape.push_back(extent);
  }
  CAIRN_TRY(delta.bytes, reader.get<std::uint64_t>("bytes"));
  CAIRN_TRY(delta.target, reader.get_digest("target"));
  if (delta.kind != DeltaKind::whole) {
    CAIRN_TRY(delta.base, reader.get_digest("base"));
    CAIRN_CHECK(get_streams(reader, delta));
    if (!is_lossless(delta.kind)) CAIRN_CHECK(get_loss(reader, delta));
  }
  CAIRN_CHECK(reader.expect_end());
  return delta;
}

}  // namespace cairn
