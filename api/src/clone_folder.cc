// SPDX-License-Identifier: Apache-2.0
#include "api/src/clone_folder.h"

#include <algorithm>
#include <cerrno>

#include "engine/base/errors.h"

namespace cairn {
namespace {

Status check_free(FileSystem& fs, const std::string& to) {
  const auto info = fs.info(to);
  if (!info.ok() && info.error().code == ErrorCode::not_found) return {};
  if (!info.ok()) return info.error();
  if (!info->is_directory) return make_error(ErrorCode::already_exists, "'" + to + "' is there, and is no folder");
  CAIRN_TRY(const std::vector<std::string> names, fs.list_directory(to));
  if (!names.empty()) return make_error(ErrorCode::already_exists, "'" + to + "' is not empty");
  return {};
}

Status unless_missing(Status status) {
  return !status.ok() && status.error().code == ErrorCode::not_found ? Status() : status;
}

Status remove_files(FileSystem& fs, const std::string& folder) {
  const auto names = fs.list_directory(folder);
  if (!names.ok()) return unless_missing(names.error());
  for (const std::string& name : *names) CAIRN_CHECK(fs.remove_file(folder + "/" + name));
  return fs.remove_directory(folder);
}

}  // namespace

Result<std::unique_ptr<CloneFolder>> CloneFolder::begin(FileSystem& fs, const std::string& to) {
  CAIRN_CHECK(check_free(fs, to));
  std::unique_ptr<CloneFolder> folder(new CloneFolder(fs, to));
  CAIRN_CHECK(folder->make());
  return folder;
}

Status CloneFolder::make() {
  Status made = fs_.create_directory(layout_.folder);
  const bool is_there = !made.ok() && made.error().code == ErrorCode::already_exists;
  if (!made.ok() && !is_there) return made;
  if (is_there) CAIRN_CHECK(check_leftover());
  // Whoever holds the lock is making a clone there; nothing is removed without it.
  auto locked = fs_.lock(layout_.lock());
  if (!locked.ok()) {
    // It goes when it is empty.
    if (!is_there) static_cast<void>(fs_.remove_directory(layout_.folder).ok());
    return std::move(locked).error();
  }
  lock_ = std::move(*locked);
  if (is_there) CAIRN_CHECK(empty());
  CAIRN_CHECK(fs_.create_directory(layout_.log()));
  return fs_.create_directory(layout_.index());
}

// The header comes last: with it the folder is a store, whoever made it.
Status CloneFolder::check_leftover() {
  CAIRN_TRY(const std::vector<std::string> names, fs_.list_directory(layout_.folder));
  const auto is_ours = [](const std::string& name) {
    return name == "LOCK" || name == "log" || name == "index" || name == "STORE.tmp";
  };
  const bool locked = names.empty() || std::ranges::count(names, "LOCK") > 0;
  if (locked && std::ranges::all_of(names, is_ours)) return {};
  return make_error(ErrorCode::already_exists,
                    "'" + layout_.folder + "' is in the way, and is not what an interrupted clone leaves: rename it");
}

// All but the lock.
Status CloneFolder::empty() {
  CAIRN_CHECK(unless_missing(fs_.remove_file(layout_.header())));
  CAIRN_CHECK(unless_missing(fs_.remove_file(layout_.header() + ".tmp")));
  CAIRN_CHECK(remove_files(fs_, layout_.log()));
  return remove_files(fs_, layout_.index());
}

CloneFolder::~CloneFolder() {
  // What cannot be removed now is removed by the next one.
  if (named_ || !lock_ || !empty().ok()) return;
  static_cast<void>(fs_.remove_file(layout_.lock()).ok());
  static_cast<void>(fs_.remove_directory(layout_.folder).ok());
}

Status CloneFolder::finish(const StoreHeader& header) {
  CAIRN_CHECK(write_file_atomically(fs_, layout_.header(), as_bytes(encode_store_header(header))));
  if (Status renamed = fs_.rename(layout_.folder, to_); !renamed.ok()) {
    // Somebody has put something there meanwhile.
    return std::move(renamed).error().with_context("name the clone");
  }
  named_ = true;
  Status synced = fs_.sync_directory(parent_of(to_));
  // Who may not read that folder can do nothing about it.
  if (!synced.ok() && synced.error().sys_errno == EACCES) return {};
  return synced;
}

}  // namespace cairn
