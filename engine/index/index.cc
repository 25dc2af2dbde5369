// SPDX-License-Identifier: Apache-2.0
//
// Opens an index: the guard decides what RocksDB may see, and has the last word on how
// far the index it found has been applied.
#include "engine/index/index.h"

#include "engine/base/errors.h"
#include "engine/index/guard.h"
#include "engine/index/key_value_index.h"
#include "engine/index/memory_store.h"
#include "engine/index/rocksdb_index.h"

namespace cairn {
namespace {

// A writer that checkpoints while a reader opens takes files away under it. Each retry
// means that a whole checkpoint happened meanwhile, so a few are plenty.
constexpr int kOpenAttemptsMax = 20;

// An index in which nothing is durable yet, said by a guard before RocksDB writes its
// first file: files without a guard are then always damage, never a crash.
Result<Guard> create_index(FileSystem& fs, const std::string& path) {
  if (Status created = fs.create_directory(path); !created.ok() && created.error().code != ErrorCode::already_exists) {
    return std::move(created).error();
  }
  CAIRN_CHECK(fs.sync_directory(parent_of(path)));
  const Guard guard;
  CAIRN_CHECK(write_guard(fs, path, guard));
  return guard;
}

Result<std::unique_ptr<KeyValueIndex>> open_guarded(FileSystem& fs, const std::string& path, const Guard& guard,
                                                    Index::Access access) {
  CAIRN_TRY(auto checked, check_files(fs, path, guard));
  if (access == Index::Access::read_write) CAIRN_CHECK(remove_unlisted_files(fs, path, guard));
  CAIRN_TRY(auto store, open_rocksdb(fs, path, guard, std::move(checked), access));
  if (access == Index::Access::read_only) store = std::make_unique<MemoryStore>(std::move(store));
  CAIRN_TRY(auto index, KeyValueIndex::over(std::move(store)));
  if (index->applied() != guard.applied) {
    return make_error(ErrorCode::corruption, "index: " + path + " is not at the position of its last checkpoint");
  }
  return index;
}

Result<std::unique_ptr<Index>> open_to_write(FileSystem& fs, const std::string& path) {
  CAIRN_TRY(auto guard, read_guard(fs, path));
  if (!guard) {
    CAIRN_TRY(guard, create_index(fs, path));
  }
  CAIRN_TRY(auto index, open_guarded(fs, path, *guard, Index::Access::read_write));
  return std::unique_ptr<Index>(std::move(index));
}

Result<std::unique_ptr<Index>> open_to_read(FileSystem& fs, const std::string& path) {
  for (int attempt = 1;; ++attempt) {
    auto guard = read_guard(fs, path);
    if (guard.ok() && (!*guard || (*guard)->nothing_durable())) return Index::open_in_memory();
    if (guard.ok()) {
      auto index = open_guarded(fs, path, **guard, Index::Access::read_only);
      if (index.ok()) return std::unique_ptr<Index>(std::move(*index));
      const auto now = read_guard(fs, path);
      if (attempt == kOpenAttemptsMax || (now.ok() && *now == *guard)) return std::move(index).error();
    } else if (attempt == kOpenAttemptsMax || !read_guard(fs, path).ok()) {
      return std::move(guard).error();
    }
  }
}

}  // namespace

Result<std::unique_ptr<Index>> Index::open(FileSystem& fs, const std::string& path, Access access) {
  return access == Access::read_write ? open_to_write(fs, path) : open_to_read(fs, path);
}

Result<std::unique_ptr<Index>> Index::open_in_memory() {
  CAIRN_TRY(auto index, KeyValueIndex::over(std::make_unique<MemoryStore>()));
  return std::unique_ptr<Index>(std::move(index));
}

Status Index::destroy(FileSystem& fs, const std::string& path) {
  const auto names = fs.list_directory(path);
  if (!names.ok()) {
    if (names.error().code == ErrorCode::not_found) return {};
    return names.error();
  }
  // An empty guard first and its removal last: an index that a crash leaves half removed
  // then opens as an empty one. A full disk may refuse even that little, and must not keep
  // anyone from making room: the half is then found to be damaged, which costs no more.
  const Guard nothing;
  if (!names->empty()) static_cast<void>(write_guard(fs, path, nothing).ok());
  CAIRN_CHECK(remove_unlisted_files(fs, path, nothing));
  CAIRN_CHECK(fs.sync_directory(path));
  if (Status removed = fs.remove_file(path + "/" + std::string(kGuardName));
      !removed.ok() && removed.error().code != ErrorCode::not_found) {
    return removed;
  }
  return fs.remove_directory(path);
}

}  // namespace cairn
