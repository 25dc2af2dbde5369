// SPDX-License-Identifier: Apache-2.0
//
// What all manifests share: the two bytes they begin with, and maps of strings. Used
// inside engine/format only.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/endian.h"
#include "engine/format/field_reader.h"
#include "engine/format/record.h"

namespace cairn {

// Every manifest begins with its RecordKind and this version.
inline constexpr std::uint8_t kManifestVersion = 1;

void put_manifest_start(ByteWriter& writer, RecordKind kind);
void put_digest(ByteWriter& writer, const Digest& digest);
void put_signed(ByteWriter& writer, std::int64_t value);
// A count, then keys and values as strings, in the bytewise order of the keys.
void put_map(ByteWriter& writer, const std::map<std::string, std::string>& map);

// The kind first, then the version: a newer manifest is told from another kind of object.
Status check_manifest_start(FieldReader& reader, RecordKind kind);
// Refuses keys that are not strictly ascending: the same map has one encoding.
Result<std::map<std::string, std::string>> get_map(FieldReader& reader, std::string_view field);

// Adds `value` to `sum`; false when that overflows.
inline bool add_checked(std::uint64_t& sum, std::uint64_t value) noexcept {
  return !__builtin_add_overflow(sum, value, &sum);
}

}  // namespace cairn
