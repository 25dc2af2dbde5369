// SPDX-License-Identifier: Apache-2.0
//
// What is on its way out of a bucket (docs/format/mirror.md): notes name the packs and indexes that nobody may rely on
// any more, long before they are removed. Whoever adds to the bucket looks here, and again before it says anything.
//
//   reclaim/began-NONCE    put by a reclaiming before it does anything
//   reclaim/DIGEST         a note
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "replication/bucket.h"

namespace cairn::mirror {

inline constexpr std::string_view kReclaimPrefix = "reclaim/";

struct OutgoingNote {
  std::vector<std::string> made;      // keys of indexes that took the place of others, and rely on nothing outgoing
  std::vector<std::string> outgoing;  // keys of packs and indexes
  friend bool operator==(const OutgoingNote&, const OutgoingNote&) = default;
};
std::vector<std::byte> encode_note(const OutgoingNote& note);
// corruption names the line that makes no sense.
Result<OutgoingNote> decode_note(Bytes bytes);
std::string note_key(const Formats& formats, Bytes note);

// All that was noted when it was read.
struct Outgoing {
  struct Note {
    ObjectStorage::Listed at;
    OutgoingNote note;
  };
  std::vector<ObjectStorage::Listed> listed;  // below kReclaimPrefix
  std::vector<Note> notes;
  std::unordered_set<std::string> keys;  // that any of them names
  std::unordered_set<std::string> made;  // likewise

  bool has(const std::string& key) const { return keys.contains(key); }
};
// A note that is damaged is an error: without it nobody can tell what may be relied on.
Result<Outgoing> read_outgoing(ObjectStorage& storage, const Formats& formats);

// Whether nothing was noted or removed since `before` was read, by one listing: each reclaiming leaves a key there that
// was never there before.
Result<bool> is_unchanged(ObjectStorage& storage, const Outgoing& before);

// What packs and indexes end with that are put by whoever has read `outgoing`: so that what was noted and is put again
// has another name. Empty where nothing was ever reclaimed.
std::vector<std::byte> salt_of(const Formats& formats, const Outgoing& outgoing);

}  // namespace cairn::mirror
