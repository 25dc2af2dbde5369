// SPDX-License-Identifier: Apache-2.0
//
// Making, opening and removing stores.
#include <cstdlib>
#include <filesystem>

#include "api/src/mirror_places.h"
#include "api/src/store_impl.h"
#include "engine/base/errors.h"
#include "engine/log/segment_files.h"

namespace cairn {

Result<std::unique_ptr<StoreImpl>> StoreImpl::open_or_create(FileSystem& fs, const std::string& path,
                                                             const StoreOptions& options, const Progress& progress) {
  if (options.mode != OpenMode::existing && options.access == Access::read_only) {
    return make_error(ErrorCode::invalid_argument,
                      "open '" + path + "': a store that is opened read-only is not created");
  }
  if (options.mode == OpenMode::exclusive) CAIRN_CHECK(create(fs, path, options.create));
  auto opened = open(fs, path, options, progress);
  if (opened.ok() || options.mode != OpenMode::create || opened.error().code != ErrorCode::no_store) return opened;
  Status created = create(fs, path, options.create);
  // Somebody else may have made it meanwhile.
  if (!created.ok() && created.error().code != ErrorCode::already_exists) return std::move(created).error();
  opened = open(fs, path, options, progress);
  if (!opened.ok() && opened.error().code == ErrorCode::no_store && !created.ok()) return std::move(created).error();
  return opened;
}

// The header goes first: what an interruption leaves is no store, and not an empty one.
Status StoreImpl::destroy(FileSystem& fs, const std::string& path) {
  const StoreLayout layout(path);
  CAIRN_TRY(const bool there, is_store(fs, layout));
  if (!there) return make_error(ErrorCode::no_store, "no store in '" + path + "'");
  CAIRN_TRY(std::unique_ptr<FileLock> lock, fs.lock(layout.lock()));
  const auto remove = [&](const std::string& file) -> Status {
    Status removed = fs.remove_file(file);
    if (!removed.ok() && removed.error().code == ErrorCode::not_found) return {};
    return removed;
  };
  CAIRN_CHECK(remove(layout.header()));
  CAIRN_CHECK(fs.sync_directory(layout.folder));
  const auto segments = list_segments(fs, layout.log());
  if (segments.ok()) {
    for (const std::uint32_t number : *segments) CAIRN_CHECK(remove(segment_path(layout.log(), number)));
    CAIRN_CHECK(remove(live_position_path(layout.log())));
    CAIRN_CHECK(fs.remove_directory(layout.log()));
  }
  CAIRN_CHECK(Index::destroy(fs, layout.index()));
  CAIRN_CHECK(destroy_mirror_places(fs, layout.folder));
  CAIRN_CHECK(remove(layout.reserve()));
  CAIRN_CHECK(remove(layout.lock()));
  lock.reset();
  CAIRN_TRY(const std::vector<std::string> left, fs.list_directory(layout.folder));
  if (!left.empty()) return {};  // somebody else's files
  return fs.remove_directory(layout.folder);
}

Result<Store> Store::temporary(const std::string& parent, const StoreOptions& options) {
  std::error_code failure;
  std::string path = parent.empty() ? std::filesystem::temp_directory_path(failure).string() : parent;
  if (failure) path = "/tmp";
  path += "/cairn-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return error_from_errno(errno, "make a folder below " + path);
  StoreOptions fresh = options;
  fresh.access = Access::read_write;
  fresh.mode = OpenMode::exclusive;
  CAIRN_TRY(auto impl, StoreImpl::open_or_create(posix_file_system(), path, fresh, {}));
  impl->destroy_when_closed();
  return Store(std::move(impl));
}

Status Store::destroy(const std::string& path) { return StoreImpl::destroy(posix_file_system(), path); }

}  // namespace cairn
