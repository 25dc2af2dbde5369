// SPDX-License-Identifier: Apache-2.0
//
// What an open store and a mirror do with each other, wherever the mirror is kept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/src/store_impl.h"
#include "replication/pull.h"
#include "replication/push.h"

namespace cairn {

// What a mirror says of one store.
struct MirrorRefs {
  mirror::Uuid store{};
  std::string problem;          // why that cannot be read; the rest is empty then
  mirror::Cursor end;           // how far its log is mirrored
  std::vector<RefRecord> refs;  // by name, then version
};
// not_found: there is no mirror at this place; unsupported: it is of stores with another digest.
Status require_mirror(ObjectStorage& storage, DigestKind digest);
// Every store that the mirror has. The same errors.
Result<std::vector<MirrorRefs>> mirrored_refs(ObjectStorage& storage, DigestKind digest);

struct PullWish {
  // "NAME" (the latest version) or "NAME@V".
  std::vector<std::string> names;
  // From which store's names; nothing: from the one store that has them.
  std::optional<mirror::Uuid> store = {};
  mirror::PullOptions options = {};
  Progress progress = {};  // of verifying
};
// Brings versions of names into the store, under the same names and numbers. not_found: the mirror has no such name;
// conflict: several stores of it have it, or this store has something else there.
Result<mirror::PullReport> pull(StoreImpl& store, ObjectStorage& storage, const PullWish& wish);

struct RestoreWish {
  // Nothing: the one that the mirror has.
  std::optional<mirror::Uuid> store = {};
  mirror::PullOptions pull = {};
  Progress progress = {};  // of verifying
};
// Makes a store at `path`, where none is, of all that the mirror has of one: names, versions, checkpoints, objects and
// results as they were where the mirror ends. It is a store of its own, with an identity of its own: what it says from
// now on has a place of its own in the mirror. It is made beside `path`, and has that name once it is whole.
Result<mirror::PullReport> restore_store(FileSystem& fs, const std::string& path, ObjectStorage& storage,
                                         const RestoreWish& options);

}  // namespace cairn
