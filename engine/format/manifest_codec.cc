// SPDX-License-Identifier: Apache-2.0
//
// The parts of a manifest that are the same in all of them.
#include "engine/format/manifest_codec.h"

namespace cairn {

void put_manifest_start(ByteWriter& writer, RecordKind kind) {
  writer.put(static_cast<std::uint8_t>(kind));
  writer.put(kManifestVersion);
}

void put_digest(ByteWriter& writer, const Digest& digest) { writer.put_bytes(digest.bytes); }

void put_signed(ByteWriter& writer, std::int64_t value) { writer.put(static_cast<std::uint64_t>(value)); }

void put_map(ByteWriter& writer, const std::map<std::string, std::string>& map) {
  writer.put(static_cast<std::uint32_t>(map.size()));
  for (const auto& [key, value] : map) {
    writer.put_string(key);
    writer.put_string(value);
  }
}

Status check_manifest_start(FieldReader& reader, RecordKind kind) {
  CAIRN_TRY(const auto found, reader.get<std::uint8_t>("kind"));
  if (found != static_cast<std::uint8_t>(kind)) {
    return reader.wrong("is " + std::to_string(found) + " instead of " + std::to_string(static_cast<unsigned>(kind)));
  }
  CAIRN_TRY(const auto version, reader.get<std::uint8_t>("version"));
  if (version == 0) return reader.wrong("is zero");
  if (version > kManifestVersion) return newer_version(reader.structure(), version, kManifestVersion);
  return {};
}

Result<std::map<std::string, std::string>> get_map(FieldReader& reader, std::string_view field) {
  constexpr std::size_t kEntryBytesMin = 2 * sizeof(std::uint32_t);
  CAIRN_TRY(const auto count, reader.get_count(field, kEntryBytesMin));
  std::map<std::string, std::string> map;
  for (std::uint32_t i = 0; i < count; ++i) {
    CAIRN_TRY(std::string key, reader.get_string(field));
    if (!map.empty() && key <= map.rbegin()->first) return reader.wrong("has a key out of order");
    CAIRN_TRY(std::string value, reader.get_string(field));
    map.emplace_hint(map.end(), std::move(key), std::move(value));
  }
  return map;
}

}  // namespace cairn
