// SPDX-License-Identifier: Apache-2.0
//
// Record kinds and the descriptor's codec. Its layout: docs/format/record.md.
#include "engine/format/record_descriptor.h"

#include <algorithm>

#include "engine/base/endian.h"
#include "engine/format/field_reader.h"

namespace cairn {
namespace {

enum Offset : std::size_t {
  kKind = 0,
  kCodec = 1,
  kFlags = 2,
  kLogicalBytes = 4,
  kStoredBytes = 8,
  kReserved = 12,
  kPayloadOffset = kDescriptorPayloadOffset,
  kSequence = 24,
  kChecksum = 32,
  kKey = 40,
};
static_assert(kKey + Digest::kSize == RecordDescriptor::kSize);

}  // namespace

bool record_kind_is_valid(std::uint8_t value) noexcept {
  return value >= static_cast<std::uint8_t>(RecordKind::block) &&
         value <= static_cast<std::uint8_t>(RecordKind::entries);
}

std::string_view record_kind_name(RecordKind kind) noexcept {
  switch (kind) {
    case RecordKind::block: return "block";
    case RecordKind::blob: return "blob";
    case RecordKind::tensor: return "tensor";
    case RecordKind::model: return "model";
    case RecordKind::tree: return "tree";
    case RecordKind::snapshot: return "snapshot";
    case RecordKind::ref: return "ref";
    case RecordKind::roots: return "roots";
    case RecordKind::entries: return "entries";
    case RecordKind::state: return "state";
    case RecordKind::reclaimed: return "reclaimed";
    case RecordKind::delta: return "delta";
  }
  return "unknown";
}

void store_descriptor(const RecordDescriptor& record, std::byte* to) noexcept {
  to[kKind] = static_cast<std::byte>(record.kind);
  to[kCodec] = static_cast<std::byte>(record.codec);
  store_le(to + kFlags, record.flags);
  store_le(to + kLogicalBytes, record.logical_bytes);
  store_le(to + kStoredBytes, record.stored_bytes);
  store_le(to + kReserved, std::uint32_t{0});
  store_le(to + kPayloadOffset, record.payload_offset);
  store_le(to + kSequence, record.sequence);
  store_le(to + kChecksum, record.checksum);
  std::copy(record.key.bytes.begin(), record.key.bytes.end(), to + kKey);
}

Result<RecordDescriptor> load_descriptor(const std::byte* from, std::string_view structure, std::uint64_t offset) {
  const auto wrong = [&](std::string_view field, std::size_t at, std::string_view why) {
    return wrong_field(structure, field, offset + at, why);
  };
  const auto kind = std::to_integer<std::uint8_t>(from[kKind]);
  if (!record_kind_is_valid(kind)) return wrong("kind", kKind, "is no kind of record");
  RecordDescriptor record;
  record.kind = static_cast<RecordKind>(kind);
  record.codec = std::to_integer<std::uint8_t>(from[kCodec]);
  if (record.kind != RecordKind::block && record.codec != 0) {
    return wrong("codec", kCodec, "is not raw, as that of every record but a block is");
  }
  record.flags = load_le<std::uint16_t>(from + kFlags);
  if ((record.flags & ~kCarriedFlag) != 0) return wrong("flags", kFlags, "has bits that this version does not define");
  record.logical_bytes = load_le<std::uint32_t>(from + kLogicalBytes);
  record.stored_bytes = load_le<std::uint32_t>(from + kStoredBytes);
  if (load_le<std::uint32_t>(from + kReserved) != 0) return wrong("reserved", kReserved, "is not zero");
  record.payload_offset = load_le<std::uint64_t>(from + kPayloadOffset);
  record.sequence = load_le<std::uint64_t>(from + kSequence);
  record.checksum = load_le<std::uint64_t>(from + kChecksum);
  std::copy_n(from + kKey, Digest::kSize, record.key.bytes.begin());
  return record;
}

}  // namespace cairn
