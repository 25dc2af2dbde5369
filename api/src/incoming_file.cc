// SPDX-License-Identifier: Apache-2.0
#include "api/src/incoming_file.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <utility>

#include "engine/base/errors.h"
#include "engine/format/manifest.h"

namespace cairn {
namespace {

// One of its own for each that this process is writing, and for each process.
std::string temporary_of(const std::string& path) {
  static std::atomic<std::uint64_t> count = 0;
  return path + "." + std::to_string(::getpid()) + "-" + std::to_string(count.fetch_add(1)) + ".tmp";
}

}  // namespace

IncomingFile::IncomingFile(FileSystem& fs, std::string path, std::uint64_t size)
    : fs_(fs), path_(std::move(path)), temporary_(temporary_of(path_)), size_(size) {}

IncomingFile::~IncomingFile() {
  if (file_ == nullptr) return;
  file_.reset();
  static_cast<void>(fs_.remove_file(temporary_).ok());
}

Result<std::unique_ptr<IncomingFile>> IncomingFile::create(FileSystem& fs, const std::string& path,
                                                           std::uint64_t size) {
  std::error_code none;
  const auto there = std::filesystem::status(path, none);
  const bool exists = std::filesystem::exists(there);
  if (exists && !std::filesystem::is_regular_file(there)) {
    return make_error(ErrorCode::invalid_argument, "'" + printable(path) + "' is there, and is no regular file");
  }
  const auto resolved = exists ? std::filesystem::canonical(path, none) : std::filesystem::path(path);
  std::unique_ptr<IncomingFile> file(new IncomingFile(fs, none ? path : resolved.string(), size));
  Status opened = file->open();
  if (opened.ok()) return file;
  if (opened.error().code == ErrorCode::not_found) opened.error().code = ErrorCode::io;
  return std::move(opened).error();
}

Status IncomingFile::open() {
  CAIRN_TRY(file_, fs_.open(temporary_, {.write = true, .create = true, .exclusive = true}));
  return file_->preallocate(size_);
}

Status IncomingFile::commit() {
  CAIRN_TRY(const std::uint64_t size, file_->size());
  if (size != size_) {
    return make_error(ErrorCode::corruption, "'" + printable(path_) + "': " + std::to_string(size) +
                                                 " bytes came, and not " + std::to_string(size_));
  }
  // The rename must come after the sync: the name must never lead to bytes that a crash can take away.
  CAIRN_CHECK(file_->sync());
  CAIRN_CHECK(fs_.rename(temporary_, path_));
  file_.reset();
  return fs_.sync_directory(parent_of(path_));
}

}  // namespace cairn
