// SPDX-License-Identifier: Apache-2.0
//
// Where things are under the prefix of a mirror (docs/format/mirror.md), and the marker that says what it is.
//
//   cairn-mirror                       what this is: version, digest
//   packs/DIGEST                       blocks and objects
//   index/DIGEST                       which of them are in which packs
//   stores/UUID/journal/TO-FROM        what one store says, for a stretch of its log
//   stores/UUID/left-out               of that, what could not be mirrored yet
//   stores/UUID/lost                   and what needs something that the bucket has lost
//   reclaim/…                          what is on its way out (outgoing.h)
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "replication/content.h"
#include "replication/object_storage.h"

namespace cairn::mirror {

using Uuid = std::array<std::byte, 16>;

inline constexpr std::string_view kMarkerKey = "cairn-mirror";
inline constexpr std::string_view kPacksPrefix = "packs/";
inline constexpr std::string_view kIndexPrefix = "index/";
inline constexpr std::string_view kStoresPrefix = "stores/";

std::string hex(Bytes bytes);
// Exactly `bytes.size()` bytes in small letters; false for anything else.
bool from_hex(std::string_view text, std::span<std::byte> bytes);

std::string pack_key(const Formats& formats, const Digest& name);
std::string index_key(const Formats& formats, const Digest& name);
std::string journal_prefix(const Uuid& store);

// Reads the marker. Nothing: there is no mirror here. unsupported: that of a newer version, or with another digest than
// the store's; corruption: something else has its name.
Result<std::optional<DigestKind>> read_marker(ObjectStorage& storage);
// The marker is there and says `digest`: written when there was none.
Status require_marker(ObjectStorage& storage, DigestKind digest);

// The keys below `prefix`, all of them.
Result<std::vector<ObjectStorage::Listed>> list_all(ObjectStorage& storage, std::string_view prefix);
// One that has to be there: corruption when it is not.
Result<std::vector<std::byte>> get_whole(ObjectStorage& storage, const std::string& key, std::uint64_t bytes_max);

// An object without gathering.
inline Status put_whole(ObjectStorage& storage, std::string_view key, Bytes bytes) {
  return storage.put(key, std::span(&bytes, 1));
}

}  // namespace cairn::mirror
