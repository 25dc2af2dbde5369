// SPDX-License-Identifier: Apache-2.0
#include "engine/read/logged_parts.h"

#include <algorithm>

#include "engine/content/digester.h"
#include "engine/io/read_twice.h"
#include "engine/read/block_reader.h"

namespace cairn {

Result<std::optional<std::vector<Reference>>> LoggedParts::parts_of(const Digest& id, const RecordLocation& at) {
  using Parts = std::optional<std::vector<Reference>>;
  if (!has_parts(at)) return Parts(std::in_place);
  if (at.stored_bytes > BlockReader::kObjectBytesMax) return Parts();
  // The head of a delta block has a checksum of its own.
  const bool delta = at.kind == RecordKind::block;
  const auto bytes = delta ? std::min<std::uint32_t>(at.stored_bytes, DeltaHead::kBytesMax) : at.stored_bytes;
  AlignedBuffer buffer;
  const auto payload = read_twice([&] { return log_.read(at.segment, at.offset, bytes, buffer); });
  if (!payload.ok()) {
    // Missing, or cut short; or nobody is kept out of the rest for a bad sector.
    if (payload.error().code == ErrorCode::corruption || payload.error().code == ErrorCode::io) return Parts();
    return payload.error();
  }
  if (!delta && checksum_of(*payload) != at.checksum) return Parts();
  auto references = delta ? bases_in(*payload, id) : references_of(at.kind, *payload);
  if (!references.ok()) return Parts();
  return Parts(std::move(references).value());
}

}  // namespace cairn
