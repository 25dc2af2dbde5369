// SPDX-License-Identifier: Apache-2.0
//
// Indexes: which blocks and objects a bucket has, and where. An index never changes, is named after the digest of its
// bytes, and is put after the packs of which it speaks: what an index has is there.
//
// More holds: everything that an object in an index relies on is in the same index or was in one before it. So whoever
// adds to a bucket need not look at the parts of what it has already.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "replication/bucket.h"
#include "replication/object_storage.h"
#include "replication/outgoing.h"
#include "replication/pack.h"

namespace cairn::mirror {

// `salt` (nothing, or 32 bytes) means nothing: with another one the index has another name.
std::vector<std::byte> encode_index(const std::vector<Pack>& packs, Bytes salt = {});
Result<std::vector<Pack>> decode_index(Bytes bytes);

// What may be done with what an index has.
enum class Standing : std::uint8_t {
  counts,      // whoever adds to the bucket may rely on it
  incomplete,  // something that it relies on is lost: it can be read, and has to be put again
  outgoing     // it can be read, and is to be removed
};
// Of what is incomplete, an index has its own ending.
inline constexpr std::string_view kIncomplete = "-incomplete";

class PackIndex {
 public:
  // For whoever reads: reads the indexes of the bucket that were not read before, several at a time. One that is
  // damaged is passed over: what only that has counts as not there, and who pushes it puts it again. What counts is
  // preferred.
  Status refresh(ObjectStorage& storage, const Formats& formats, std::size_t parallel);
  // As of when `outgoing` was read. For whoever adds, `counting`: what may be relied on, and nothing else.
  enum class Wanted : std::uint8_t { counting, all };
  Status refresh(ObjectStorage& storage, const Formats& formats, std::size_t parallel, const Outgoing& outgoing,
                 Wanted wanted);
  // What was passed over, in words that name it.
  const std::vector<std::string>& damaged() const noexcept { return damaged_; }
  // What was just put into the bucket under this key.
  void add(const std::string& key, std::vector<Pack> packs);
  // What a pack says of itself that no index has.
  void add_unlisted(Pack pack) { add(std::move(pack), Standing::outgoing); }

  struct Place {
    const Pack* pack;
    const PackedRecord* record;
  };
  // A blob that is a single block is found as that. Nothing: it is not in the bucket.
  std::optional<Place> find(const ContentId& id) const;
  bool contains(const ContentId& id) const { return find(id).has_value(); }
  // Of this very place.
  Standing standing_of(const Place& place) const;

  // With all the records that any index has of them.
  const std::unordered_map<Digest, Pack>& packs() const noexcept { return packs_; }

  struct Read {
    Standing standing = Standing::counts;
    bool damaged = false;
    std::optional<std::chrono::sys_seconds> modified = {};
    std::vector<Digest> packs = {};
  };
  // By key.
  const std::map<std::string, Read>& indexes() const noexcept { return indexes_; }

 private:
  struct Where {
    const Pack* pack;
    std::size_t record;
    Standing standing;
  };
  void add(Pack pack, Standing standing);

  std::map<std::string, Read> indexes_;
  std::vector<std::string> damaged_;
  std::unordered_map<Digest, Pack> packs_;  // by name; its elements stay where they are
  std::unordered_map<ContentId, Where, ContentIdHash> places_;
};

}  // namespace cairn::mirror
