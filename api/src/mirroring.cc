// SPDX-License-Identifier: Apache-2.0
#include "api/src/mirroring.h"

#include <utility>

#include "api/src/mirror_destination.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

Result<mirror::PullReport> restore_into(StoreImpl& store, ObjectStorage& storage, const MirrorFormats& formats,
                                        mirror::Fold fold, const RestoreWish& wish) {
  mirror::PackIndex index;
  CAIRN_CHECK(index.refresh(storage, formats, wish.pull.fetch.parallel));
  std::vector<mirror::Statement> statements;
  for (auto& [key, statement] : fold) statements.push_back(std::move(statement));
  CAIRN_TRY(const auto destination, MirrorDestination::begin(store, wish.progress));
  mirror::Puller puller(*destination, storage, formats, index, wish.pull);
  CAIRN_CHECK(puller.pull(statements));
  return puller.report();
}

}  // namespace

Result<mirror::PullReport> pull(StoreImpl& store, ObjectStorage& storage, const PullWish& wish) {
  MirrorView view(storage, store.header().digest, {.only = wish.store}, wish.options.fetch.parallel);
  CAIRN_CHECK(view.refresh());
  CAIRN_TRY(const auto statements, view.choose(wish.names));
  CAIRN_CHECK(view.refresh_index());
  auto pulled = pull(store, storage, view, statements, wish.options, wish.progress);
  if (pulled.ok() || pulled.error().code != ErrorCode::corruption) return pulled;
  // The mirror may have been reclaimed since, and what moved is somewhere else.
  MirrorView again(storage, store.header().digest, {.only = wish.store}, wish.options.fetch.parallel);
  CAIRN_CHECK(again.refresh_index());
  return pull(store, storage, again, statements, wish.options, wish.progress);
}

Result<mirror::PullReport> pull(StoreImpl& store, ObjectStorage& storage, const MirrorView& view,
                                std::span<const mirror::Statement> statements, const mirror::PullOptions& options,
                                const Progress& progress) {
  CAIRN_TRY(const auto destination, MirrorDestination::begin(store, progress));
  mirror::Puller puller(*destination, storage, view.formats(), view.index(), options);
  CAIRN_CHECK(puller.pull(statements));
  return puller.report();
}

Result<mirror::PullReport> restore_store(FileSystem& fs, const std::string& path, ObjectStorage& storage,
                                         const RestoreWish& options) {
  CAIRN_TRY(const auto of_mirror, mirror::read_marker(storage));
  if (!of_mirror) return make_error(ErrorCode::not_found, "there is no mirror at this place");
  const DigestKind digest = *of_mirror;
  const MirrorFormats formats(digest);
  std::optional<mirror::Uuid> uuid = options.store;
  if (!uuid) {
    CAIRN_TRY(const auto stores, mirror::list_stores(storage));
    if (stores.size() != 1) {
      std::string ids;
      for (std::size_t i = 0; i < std::min<std::size_t>(stores.size(), 10); ++i) {
        ids += (i == 0 ? ": " : ", ") + mirror::hex(stores[i]);
      }
      return make_error(stores.empty() ? ErrorCode::not_found : ErrorCode::conflict,
                        "the mirror has " + std::to_string(stores.size()) + " stores, of which one is restored" + ids);
    }
    uuid = stores.front();
  }
  CAIRN_TRY(auto mirrored, mirror::read_store(storage, formats, *uuid, options.pull.fetch.parallel));
  if (!mirrored.facts) return make_error(ErrorCode::not_found, "the mirror has no store " + mirror::hex(*uuid));
  CreateOptions create;
  create.digest = digest;
  create.block_bytes = mirrored.facts->block_bytes;
  create.segment_bytes = mirrored.facts->segment_bytes;
  if (const auto there = fs.info(path); there.ok()) {
    return make_error(ErrorCode::already_exists, "there is something at '" + path + "' already");
  }
  // Beside it: a restore that is killed leaves nothing that looks like a store which has everything.
  const std::string unfinished = path + ".restoring";
  if (fs.info(unfinished).ok()) CAIRN_CHECK(StoreImpl::destroy(fs, unfinished));
  CAIRN_CHECK(StoreImpl::create(fs, unfinished, create));
  auto restored = [&]() -> Result<mirror::PullReport> {
    CAIRN_TRY(const auto store, StoreImpl::open(fs, unfinished, {}, {}));
    CAIRN_TRY(auto report, restore_into(*store, storage, formats, std::move(mirrored.fold), options));
    CAIRN_CHECK(store->close());
    return report;
  }();
  if (!restored.ok()) {
    static_cast<void>(StoreImpl::destroy(fs, unfinished).ok());
    return restored;
  }
  CAIRN_CHECK(fs.rename(unfinished, path));
  CAIRN_CHECK(fs.sync_directory(parent_of(path)));
  return restored;
}

}  // namespace cairn
