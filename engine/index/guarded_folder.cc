// SPDX-License-Identifier: Apache-2.0
#include "engine/index/guarded_folder.h"

#include "engine/base/errors.h"

namespace cairn {
namespace {

std::string_view name_of(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

}  // namespace

GuardedFolder::GuardedFolder(FileSystem& fs, const std::string& folder, const Guard& guard, CheckedFiles checked,
                             Index::Access access)
    : fs_(fs), folder_(folder), read_only_(access == Index::Access::read_only), checked_(std::move(checked)) {
  for (const GuardedFile& file : guard.files) kept_.insert(file.name);
}

void GuardedFolder::release_checked() {
  const std::lock_guard lock(mutex_);
  checked_ = {};
}

void GuardedFolder::keep_all() {
  const std::lock_guard lock(mutex_);
  keep_all_ = true;
}

void GuardedFolder::retire() {
  const std::lock_guard lock(mutex_);
  retired_ = true;
}

void GuardedFolder::keep_only(const Guard& guard) {
  const std::lock_guard lock(mutex_);
  keep_all_ = false;
  kept_.clear();
  for (const GuardedFile& file : guard.files) kept_.insert(file.name);
  std::erase_if(deleted_, [&](const std::string& name) {
    if (kept_.contains(name)) return false;
    static_cast<void>(fs_.remove_file(folder_ + "/" + name).ok());
    written_.erase(name);
    return true;
  });
}

Status GuardedFolder::sync_listed(const Guard& guard) {
  std::vector<std::shared_ptr<File>> files;
  {
    const std::lock_guard lock(mutex_);
    for (const GuardedFile& file : guard.files) {
      if (const auto found = written_.find(file.name); found != written_.end()) files.push_back(found->second);
    }
  }
  for (const std::shared_ptr<File>& file : files) CAIRN_CHECK(file->sync());
  return fs_.sync_directory(folder_);
}

Status GuardedFolder::check_visible(const std::string& path) const {
  if (read_only_ || deleted_.contains(name_of(path))) {
    return make_error(ErrorCode::not_found, path + " is not part of the index");
  }
  return {};
}

Status GuardedFolder::check_writable(const std::string& path) const {
  if (read_only_) return make_error(ErrorCode::invalid_argument, path + " was opened to be read only");
  if (retired_) return make_error(ErrorCode::invalid_argument, path + " is not written any more: the store is closed");
  if (kept_.contains(name_of(path))) {
    return make_error(ErrorCode::already_exists, path + " is part of the last checkpoint");
  }
  return {};
}

std::optional<std::string> GuardedFolder::checked_content(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto found = checked_.contents.find(name_of(path));
  return found == checked_.contents.end() ? std::nullopt : std::optional(found->second);
}

Result<std::string> GuardedFolder::read_whole(const std::string& path) {
  if (auto content = checked_content(path)) return *std::move(content);
  {
    const std::lock_guard lock(mutex_);
    CAIRN_CHECK(check_visible(path));
  }
  CAIRN_TRY(const auto content, read_file(fs_, path, kSmallFileBytesMax));
  return std::string(as_text(content));
}

Result<std::shared_ptr<File>> GuardedFolder::open_to_read(const std::string& path) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = checked_.tables.find(name_of(path));
    if (found != checked_.tables.end()) return found->second.file;
    CAIRN_CHECK(check_visible(path));
  }
  CAIRN_TRY(auto file, fs_.open(path, {}));
  return std::shared_ptr<File>(std::move(file));
}

Result<std::shared_ptr<File>> GuardedFolder::create(const std::string& path) {
  {
    const std::lock_guard lock(mutex_);
    CAIRN_CHECK(check_writable(path));
  }
  CAIRN_TRY(std::shared_ptr<File> file, fs_.open(path, {.write = true, .create = true, .truncate = true}));
  const std::lock_guard lock(mutex_);
  if (!is_table(path)) written_.insert_or_assign(std::string(name_of(path)), file);
  return file;
}

Result<std::uint64_t> GuardedFolder::size(const std::string& path) {
  {
    const std::lock_guard lock(mutex_);
    const auto content = checked_.contents.find(name_of(path));
    if (content != checked_.contents.end()) return std::uint64_t{content->second.size()};
    const auto table = checked_.tables.find(name_of(path));
    if (table != checked_.tables.end()) return table->second.size;
    CAIRN_CHECK(check_visible(path));
  }
  CAIRN_TRY(const auto info, fs_.info(path));
  return info.size;
}

Result<std::vector<std::string>> GuardedFolder::list() {
  std::set<std::string, std::less<>> names;
  if (!read_only_) {
    CAIRN_TRY(const auto present, fs_.list_directory(folder_));
    names.insert(present.begin(), present.end());
  }
  const std::lock_guard lock(mutex_);
  for (const std::string& name : deleted_) names.erase(name);
  for (const auto& [name, content] : checked_.contents) names.insert(name);
  for (const auto& [name, table] : checked_.tables) names.insert(name);
  return std::vector<std::string>(names.begin(), names.end());
}

Status GuardedFolder::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (read_only_) return check_writable(path);
  if (keep_all_ || retired_ || kept_.contains(name_of(path))) {
    deleted_.emplace(name_of(path));
    return {};
  }
  written_.erase(std::string(name_of(path)));
  return fs_.remove_file(path);
}

Status GuardedFolder::rename(const std::string& from, const std::string& to) {
  {
    const std::lock_guard lock(mutex_);
    CAIRN_CHECK(check_writable(to));
  }
  CAIRN_CHECK(fs_.rename(from, to));
  const std::lock_guard lock(mutex_);
  if (auto file = written_.extract(std::string(name_of(from)))) {
    written_.insert_or_assign(std::string(name_of(to)), std::move(file.mapped()));
  }
  if (const auto found = checked_.contents.find(name_of(to)); found != checked_.contents.end()) {
    checked_.contents.erase(found);  // RocksDB replaced CURRENT and means its own from now on
  }
  return {};
}

}  // namespace cairn
