// SPDX-License-Identifier: Apache-2.0
//
// What an open store and a mirror do with each other, wherever the mirror is kept.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/src/mirror_view.h"
#include "api/src/store_impl.h"
#include "replication/pull.h"
#include "replication/push.h"

namespace cairn {

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
// The same of what a view has of the mirror, its index up to date.
Result<mirror::PullReport> pull(StoreImpl& store, ObjectStorage& storage, const MirrorView& view,
                                std::span<const mirror::Statement> statements, const mirror::PullOptions& options,
                                const Progress& progress);

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
