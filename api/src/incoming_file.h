// SPDX-License-Identifier: Apache-2.0
//
// A file of the user's that comes from elsewhere, and has its name only once all of it is there.
#pragma once

#include <memory>
#include <string>

#include "engine/io/file_system.h"

namespace cairn {

// Without commit() nothing of it stays, and what had the name before does.
class IncomingFile {
 public:
  // Under another name beside `path`, with space for `size` bytes. Of a link, what it points to is replaced; what is
  // there and no regular file is invalid_argument. Other errors are of code io, with the errno: not_found would read as
  // if what is to come were missing.
  static Result<std::unique_ptr<IncomingFile>> create(FileSystem& fs, const std::string& path, std::uint64_t size);
  ~IncomingFile();
  IncomingFile(const IncomingFile&) = delete;
  IncomingFile& operator=(const IncomingFile&) = delete;

  // Any thread, for ranges that do not overlap.
  Status write_at(std::uint64_t offset, Bytes bytes) { return file_->write_at(offset, bytes); }
  // Gives it its name, and survives power loss after that. corruption: it is not as long as was said. Once.
  Status commit();

 private:
  IncomingFile(FileSystem& fs, std::string path, std::uint64_t size);
  Status open();

  FileSystem& fs_;
  const std::string path_;
  const std::string temporary_;
  const std::uint64_t size_;
  std::unique_ptr<File> file_;  // none: there is nothing to remove
};

}  // namespace cairn
