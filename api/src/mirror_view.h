// SPDX-License-Identifier: Apache-2.0
//
// What the stores of a mirror say, and where the mirror has it, as it was when it was last looked at.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/src/mirror_formats.h"
#include "replication/journal.h"
#include "replication/pack_index.h"

namespace cairn {

// not_found: there is no mirror at this place; unsupported: it is of stores with another digest.
Status require_mirror(ObjectStorage& storage, DigestKind digest);

// One thread at a time.
class MirrorView {
 public:
  // Whose word counts. Nothing: that of all stores.
  struct Stores {
    std::optional<mirror::Uuid> only = {};
    std::optional<mirror::Uuid> but = {};
  };
  // `storage` is borrowed.
  MirrorView(ObjectStorage& storage, DigestKind digest, Stores whose, std::size_t parallel);

  // Looks again what the stores say. The errors of require_mirror(). What is damaged of one store is in nobody else's
  // way, unless that is the only one.
  Status refresh();
  // And where it is, of which the index knows nothing before. To be called behind refresh(): what a journal needs is in
  // an index that was there before it.
  Status refresh_index();

  // By name and version.
  using Refs = std::map<std::pair<std::string, std::uint64_t>, mirror::Statement>;
  struct OfStore {
    std::string problem;  // why it cannot be read; the rest is empty then
    mirror::Cursor end;   // how far its log is mirrored
    Refs refs;
    std::unordered_multimap<Digest, mirror::Statement> roots;  // of objects that were put directly
    std::vector<std::string> journals;                         // that this is from
  };
  const std::map<mirror::Uuid, OfStore>& stores() const noexcept { return stores_; }
  const mirror::PackIndex& index() const noexcept { return index_; }
  const MirrorFormats& formats() const noexcept { return formats_; }

  // The versions that are meant by "NAME" (the latest) or "NAME@V". not_found: the mirror does not have one; conflict:
  // its stores have different ones.
  Result<std::vector<mirror::Statement>> choose(const std::vector<std::string>& names) const;
  // What some store says of an object that was put directly. Empty: none does.
  std::vector<mirror::Statement> roots_of(const Digest& id) const;

 private:
  Status refresh_store(const mirror::Uuid& uuid, OfStore& one);

  ObjectStorage& storage_;
  const MirrorFormats formats_;
  const Stores whose_;
  const std::size_t parallel_;
  std::map<mirror::Uuid, OfStore> stores_;
  mirror::PackIndex index_;
};

}  // namespace cairn
