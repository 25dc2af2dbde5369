// SPDX-License-Identifier: Apache-2.0
#include "api/src/mirroring.h"

#include <algorithm>
#include <map>
#include <utility>

#include "api/src/mirror_destination.h"
#include "api/src/mirror_formats.h"
#include "api/src/ref_name.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

using Refs = std::map<std::pair<std::string, std::uint64_t>, mirror::Statement>;

Result<DigestKind> digest_of_mirror(ObjectStorage& storage) {
  CAIRN_TRY(const auto digest, mirror::read_marker(storage));
  if (!digest) return make_error(ErrorCode::not_found, "there is no mirror at this place");
  return *digest;
}

Result<Refs> refs_of(mirror::Fold fold) {
  Refs refs;
  for (auto& [key, statement] : fold) {
    if (key.first != static_cast<std::uint8_t>(RecordKind::ref)) continue;
    CAIRN_TRY(const RefRecord ref, ref_of(statement));
    refs.emplace(std::pair(ref.name, ref.version), std::move(statement));
  }
  return refs;
}

Refs::const_iterator find(const Refs& refs, const RefName& wanted) {
  if (wanted.version) return refs.find({wanted.name, *wanted.version});
  auto behind = refs.upper_bound({wanted.name, ~std::uint64_t{0}});
  if (behind == refs.begin()) return refs.end();
  --behind;
  return behind->first.first == wanted.name ? behind : refs.end();
}

// The refs of each store of the mirror, or of the one that is asked for.
struct MirroredRefs {
  std::string problem;  // why they cannot be read
  mirror::Cursor end;
  Refs refs;
};
Result<MirroredRefs> read_refs(ObjectStorage& storage, const MirrorFormats& formats, const mirror::Uuid& uuid,
                               std::size_t parallel) {
  CAIRN_TRY(auto read, mirror::read_store(storage, formats, uuid, parallel));
  CAIRN_TRY(Refs refs, refs_of(std::move(read.fold)));
  return MirroredRefs{.problem = {}, .end = read.end, .refs = std::move(refs)};
}
// What is damaged of one store is in nobody else's way.
Result<std::map<mirror::Uuid, MirroredRefs>> stores_of(ObjectStorage& storage, const MirrorFormats& formats,
                                                       const std::optional<mirror::Uuid>& only, std::size_t parallel) {
  std::vector<mirror::Uuid> uuids;
  if (only) {
    uuids.push_back(*only);
  } else {
    CAIRN_TRY(uuids, mirror::list_stores(storage));
  }
  std::map<mirror::Uuid, MirroredRefs> stores;
  for (const mirror::Uuid& uuid : uuids) {
    auto read = read_refs(storage, formats, uuid, parallel);
    if (!read.ok() && (only || read.error().code != ErrorCode::corruption)) return read.error();
    stores[uuid] =
        read.ok() ? std::move(read).value() : MirroredRefs{.problem = read.error().message, .end = {}, .refs = {}};
  }
  return stores;
}

Result<std::vector<mirror::Statement>> choose(const std::map<mirror::Uuid, MirroredRefs>& stores,
                                              const std::vector<std::string>& names) {
  std::vector<mirror::Statement> chosen;
  for (const std::string& name : names) {
    CAIRN_TRY(const RefName wanted, parse_ref_name(name));
    std::string in;  // which stores
    const mirror::Statement* found = nullptr;
    bool ambiguous = false;
    for (const auto& [uuid, mirrored] : stores) {
      const auto at = find(mirrored.refs, wanted);
      if (at == mirrored.refs.end()) continue;
      in += (in.empty() ? "" : ", ") + mirror::hex(uuid);
      ambiguous = ambiguous || (found != nullptr && *found != at->second);
      found = &at->second;
    }
    if (found == nullptr) {
      std::string unread;
      for (const auto& [uuid, mirrored] : stores) unread += mirrored.problem.empty() ? "" : "; " + mirrored.problem;
      // What cannot be read may have it.
      return make_error(unread.empty() ? ErrorCode::not_found : ErrorCode::corruption,
                        "the mirror has no '" + printable(name) + "'" + unread);
    }
    if (ambiguous) {
      return make_error(ErrorCode::conflict, "'" + printable(name) + "' is not the same in the stores " + in +
                                                 " of the mirror: say from which");
    }
    chosen.push_back(*found);
  }
  return chosen;
}

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

Status require_mirror(ObjectStorage& storage, DigestKind digest) {
  CAIRN_TRY(const DigestKind of_mirror, digest_of_mirror(storage));
  if (of_mirror == digest) return {};
  return make_error(ErrorCode::unsupported, "the mirror is of stores with digest " +
                                                std::string(digest_kind_name(of_mirror)) + ", and this one has " +
                                                std::string(digest_kind_name(digest)));
}

Result<std::vector<MirrorRefs>> mirrored_refs(ObjectStorage& storage, DigestKind digest) {
  CAIRN_CHECK(require_mirror(storage, digest));
  const MirrorFormats formats(digest);
  CAIRN_TRY(const auto stores, stores_of(storage, formats, std::nullopt, mirror::FetchOptions().parallel));
  std::vector<MirrorRefs> out;
  for (const auto& [uuid, mirrored] : stores) {
    MirrorRefs& one =
        out.emplace_back(MirrorRefs{.store = uuid, .problem = mirrored.problem, .end = mirrored.end, .refs = {}});
    for (const auto& [key, statement] : mirrored.refs) {
      CAIRN_TRY(one.refs.emplace_back(), ref_of(statement));
    }
  }
  return out;
}

Result<mirror::PullReport> pull(StoreImpl& store, ObjectStorage& storage, const PullWish& wish) {
  CAIRN_CHECK(require_mirror(storage, store.header().digest));
  const MirrorFormats formats(store.header().digest);
  const std::size_t parallel = wish.options.fetch.parallel;
  // Journals before indexes: what a journal needs is in an index that is there by then.
  CAIRN_TRY(const auto stores, stores_of(storage, formats, wish.store, parallel));
  CAIRN_TRY(const auto statements, choose(stores, wish.names));
  mirror::PackIndex index;
  CAIRN_CHECK(index.refresh(storage, formats, parallel));
  CAIRN_TRY(const auto destination, MirrorDestination::begin(store, wish.progress));
  mirror::Puller puller(*destination, storage, formats, index, wish.options);
  CAIRN_CHECK(puller.pull(statements));
  return puller.report();
}

Result<mirror::PullReport> restore_store(FileSystem& fs, const std::string& path, ObjectStorage& storage,
                                         const RestoreWish& options) {
  CAIRN_TRY(const DigestKind digest, digest_of_mirror(storage));
  const MirrorFormats formats(digest);
  std::optional<mirror::Uuid> uuid = options.store;
  if (!uuid) {
    CAIRN_TRY(const auto stores, mirror::list_stores(storage));
    if (stores.size() != 1) {
      return make_error(stores.empty() ? ErrorCode::not_found : ErrorCode::conflict,
                        "the mirror has " + std::to_string(stores.size()) + " stores: say which is to be restored");
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
