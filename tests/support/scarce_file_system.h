// SPDX-License-Identifier: Apache-2.0
//
// Any file system, with as much room as a test says, and files that cannot be made when it says so.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/file_system.h"

namespace cairn::testing {

// What is set is called on any thread, and set while nobody else is here.
class ScarceFileSystem final : public FileSystem {
 public:
  explicit ScarceFileSystem(FileSystem& base) : base_(base) {}

  // Instead of what the disk has.
  std::function<std::uint64_t()> available_bytes;
  // Before a file is made; an error is what making it returns.
  std::function<Status(const std::string& path)> before_create;
  std::function<void(const std::string& path)> before_remove;

  Result<std::unique_ptr<File>> open(const std::string& path, const FileOptions& options) override {
    if (options.create && before_create) CAIRN_CHECK(before_create(path));
    return base_.open(path, options);
  }
  Result<std::unique_ptr<WriteQueue>> write_queue(File& file, std::size_t depth) override {
    return base_.write_queue(file, depth);
  }
  Status create_directory(const std::string& path) override { return base_.create_directory(path); }
  Status rename(const std::string& from, const std::string& to) override { return base_.rename(from, to); }
  Status link(const std::string& from, const std::string& to) override { return base_.link(from, to); }
  Status clone_file(const std::string& from, const std::string& to) override { return base_.clone_file(from, to); }
  Status remove_file(const std::string& path) override {
    if (before_remove) before_remove(path);
    return base_.remove_file(path);
  }
  Status remove_directory(const std::string& path) override { return base_.remove_directory(path); }
  Status sync_directory(const std::string& path) override { return base_.sync_directory(path); }
  Result<std::vector<std::string>> list_directory(const std::string& path) override {
    return base_.list_directory(path);
  }
  Result<FileInfo> info(const std::string& path) override { return base_.info(path); }
  Result<SpaceInfo> space(const std::string& path) override {
    if (!available_bytes) return base_.space(path);
    const std::uint64_t bytes = available_bytes();
    return SpaceInfo{.total_bytes = bytes, .available_bytes = bytes};
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override { return base_.lock(path); }

 private:
  FileSystem& base_;
};

}  // namespace cairn::testing
