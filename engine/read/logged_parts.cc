// SPDX-License-Identifier: Apache-2.0
#include "engine/read/logged_parts.h"

#include "engine/content/digester.h"
#include "engine/read/block_reader.h"

namespace cairn {

Result<std::optional<std::vector<Reference>>> LoggedParts::parts_of(const Digest&, const RecordLocation& at) {
  using Parts = std::optional<std::vector<Reference>>;
  if (at.stored_bytes > BlockReader::kObjectBytesMax) return Parts();
  AlignedBuffer buffer;
  auto payload = log_.read(at.segment, at.offset, at.stored_bytes, buffer);
  // A device that cannot read it twice will not read it: nobody is kept out of the rest for it.
  if (!payload.ok() && payload.error().code == ErrorCode::io) {
    payload = log_.read(at.segment, at.offset, at.stored_bytes, buffer);
    if (!payload.ok() && payload.error().code == ErrorCode::io) return Parts();
  }
  if (!payload.ok()) {
    if (payload.error().code == ErrorCode::corruption) return Parts();  // missing, or cut short
    return payload.error();
  }
  if (checksum_of(*payload) != at.checksum) return Parts();
  auto references = references_of(at.kind, *payload);
  if (!references.ok()) return Parts();
  return Parts(std::move(references).value());
}

}  // namespace cairn
