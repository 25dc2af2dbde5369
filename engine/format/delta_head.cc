// SPDX-License-Identifier: Apache-2.0
#include "engine/format/delta_head.h"

#include <algorithm>

#include "engine/content/digester.h"
#include "engine/format/manifest_codec.h"

namespace cairn {
namespace {

constexpr std::uint8_t kVersion = 1;

std::uint64_t head_checksum(Bytes head, const Digest& block) {
  std::vector<std::byte> all(head.begin(), head.end());
  ByteWriter writer(all);
  put_digest(writer, block);
  return checksum_of(all);
}

}  // namespace

std::vector<std::byte> encode(const DeltaHead& head, const Digest& block) {
  std::vector<std::byte> out;
  out.reserve(head.encoded_bytes());
  ByteWriter writer(out);
  writer.put(kVersion);
  writer.put(static_cast<std::uint8_t>(head.bases.size()));
  writer.put(std::uint16_t{0});
  for (const Digest& base : head.bases) put_digest(writer, base);
  writer.put(head_checksum(out, block));
  return out;
}

Result<DeltaHead> decode_delta_head(Bytes payload, const Digest& block) {
  FieldReader reader("delta head", payload);
  CAIRN_TRY(const auto version, reader.get<std::uint8_t>("version"));
  if (version == 0) return reader.wrong("is zero");
  if (version > kVersion) return newer_version("delta head", version, kVersion);
  CAIRN_TRY(const auto count, reader.get<std::uint8_t>("bases"));
  if (count == 0 || count > DeltaHead::kBasesMax) return reader.wrong("is not from 1 to 4");
  CAIRN_TRY(const auto zero, reader.get<std::uint16_t>("reserved"));
  if (zero != 0) return reader.wrong("is not zero");
  DeltaHead head;
  head.bases.resize(count);
  for (Digest& base : head.bases) {
    CAIRN_TRY(base, reader.get_digest("base"));
    if (base == block) return reader.wrong("is the block itself");
  }
  CAIRN_TRY(const auto checksum, reader.get<std::uint64_t>("checksum"));
  if (checksum != head_checksum(payload.first(head.encoded_bytes() - sizeof(checksum)), block)) {
    return reader.wrong("is not that of the head");
  }
  return head;
}

}  // namespace cairn
