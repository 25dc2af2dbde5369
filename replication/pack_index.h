// SPDX-License-Identifier: Apache-2.0
//
// Indexes: which blocks and objects a bucket has, and where. An index never changes, is named after the digest of its
// bytes, and is put after the packs of which it speaks: what an index has is there.
//
// More holds: everything that an object in an index relies on is in the same index or was in one before it. So whoever
// adds to a bucket need not look at the parts of what it has already.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "replication/bucket.h"
#include "replication/object_storage.h"
#include "replication/pack.h"

namespace cairn::mirror {

std::vector<std::byte> encode_index(const std::vector<Pack>& packs);
Result<std::vector<Pack>> decode_index(Bytes bytes);

class PackIndex {
 public:
  // Reads the indexes of the bucket that were not read before, several at a time. One that is damaged is passed over:
  // what only that has counts as not there, and who pushes it puts it again.
  Status refresh(ObjectStorage& storage, const Formats& formats, std::size_t parallel);
  // What was passed over, in words that name it.
  const std::vector<std::string>& damaged() const noexcept { return damaged_; }
  // What was just put into the bucket.
  void add(const Digest& index, std::vector<Pack> packs);

  struct Place {
    const Pack* pack;
    const PackedRecord* record;
  };
  // A blob that is a single block is found as that. Nothing: it is not in the bucket.
  std::optional<Place> find(const ContentId& id) const;
  bool contains(const ContentId& id) const { return find(id).has_value(); }

  const std::unordered_map<Digest, Pack>& packs() const noexcept { return packs_; }
  std::size_t indexes() const noexcept { return indexes_.size(); }

 private:
  struct Where {
    const Pack* pack;
    std::size_t record;
  };
  std::unordered_set<Digest> indexes_;  // that were read
  std::vector<std::string> damaged_;
  std::unordered_map<Digest, Pack> packs_;  // by name; its elements stay where they are
  std::unordered_map<ContentId, Where, ContentIdHash> places_;
};

}  // namespace cairn::mirror
