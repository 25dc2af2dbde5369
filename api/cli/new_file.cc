// SPDX-License-Identifier: Apache-2.0
#include "api/cli/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace cairn::cli {
namespace {

Error failed(const char* what, const std::string& path) {
  const int saved = errno;
  return Error{.code = saved == ENOSPC || saved == EDQUOT ? ErrorCode::no_space : ErrorCode::io,
               .message = fmt::format("{} {}: {}", what, path, std::strerror(saved)),
               .sys_errno = saved};
}

}  // namespace

NewFile::NewFile(std::string path) : path_(std::move(path)), temporary_(path_ + ".tmp") {}

NewFile::~NewFile() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  ::unlink(temporary_.c_str());
}

Status NewFile::open() {
  const int fd = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return failed("create", temporary_);
  file_ = ::fdopen(fd, "wb");
  return file_ == nullptr ? failed("create", temporary_) : Status{};
}

Status NewFile::write(std::span<const std::byte> bytes) {
  return std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size() ? Status{} : failed("write", temporary_);
}

Status NewFile::commit() {
  if (std::fflush(file_) != 0) return failed("write", temporary_);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return failed("create", path_);
  std::fclose(std::exchange(file_, nullptr));
  return {};
}

}  // namespace cairn::cli
