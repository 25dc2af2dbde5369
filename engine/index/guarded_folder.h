// SPDX-License-Identifier: Apache-2.0
//
// What RocksDB sees of its folder: first the checked files (guard.h), then, when it may
// write, the folder itself. A file that the guard on disk lists outlives its deletion and
// is never written again, so that the state it belongs to can be opened after any crash.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "engine/index/guard.h"

namespace cairn {

// Any thread may call any method. Paths are of files in the folder; one that is not seen
// is not_found. Read-only, nothing but the checked files is ever seen.
class GuardedFolder {
 public:
  GuardedFolder(FileSystem& fs, const std::string& folder, const Guard& guard, CheckedFiles checked,
                Index::Access access);

  // What was checked has been read: from now on the folder itself is seen.
  void release_checked();
  // A guard is being written: until keep_only(), every deletion is in name only.
  void keep_all();
  // `guard` is on disk. Removes what was deleted and is not listed; what cannot be removed
  // now is removed at the next open.
  void keep_only(const Guard& guard);

  // Syncs what `guard` lists and was written here, but for tables, and the names of all files.
  // Nothing that RocksDB writes counts before a guard lists it: its own syncs do nothing, but for
  // those of tables, which would have to be waited for here otherwise.
  Status sync_listed(const Guard& guard);

  // From now on deletions are in name only, and nothing is created.
  void retire();

  // The content of a checked file that is no table, until it is replaced.
  std::optional<std::string> checked_content(const std::string& path);
  Result<std::string> read_whole(const std::string& path);
  Result<std::shared_ptr<File>> open_to_read(const std::string& path);
  Result<std::shared_ptr<File>> create(const std::string& path);
  Result<std::uint64_t> size(const std::string& path);
  Result<std::vector<std::string>> list();
  Status remove(const std::string& path);
  Status rename(const std::string& from, const std::string& to);

 private:
  // Both want mutex_.
  Status check_visible(const std::string& path) const;
  Status check_writable(const std::string& path) const;

  FileSystem& fs_;
  const std::string folder_;
  const bool read_only_;
  std::mutex mutex_;
  CheckedFiles checked_;
  std::set<std::string, std::less<>> kept_;                            // listed by the guard on disk
  std::set<std::string, std::less<>> deleted_;                         // by RocksDB, and still there
  std::map<std::string, std::shared_ptr<File>, std::less<>> written_;  // but for tables
  bool keep_all_ = false, retired_ = false;
};

}  // namespace cairn
