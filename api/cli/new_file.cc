// SPDX-License-Identifier: Apache-2.0
#include "api/cli/new_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
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

NewFile::NewFile(std::string path) : path_(std::move(path)) {}

NewFile::~NewFile() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status NewFile::open() {
  struct stat there {};
  const bool exists = ::stat(path_.c_str(), &there) == 0;
  if (exists && !S_ISREG(there.st_mode)) {
    // A pipe or a device is written to, not replaced.
    return open_as(path_, O_WRONLY | O_CLOEXEC);
  }
  if (exists) {
    // Of a link, what it points to is replaced.
    std::error_code unresolved;
    const auto resolved = std::filesystem::canonical(path_, unresolved);
    if (!unresolved) path_ = resolved;
  }
  temporary_ = fmt::format("{}.{}.tmp", path_, ::getpid());
  return open_as(temporary_, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
}

Status NewFile::open_as(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags, 0666);
  if (fd < 0) return failed("create", path);
  file_ = ::fdopen(fd, "wb");
  if (file_ != nullptr) return {};
  const Error error = failed("create", path);
  ::close(fd);
  return error;
}

Status NewFile::write(std::span<const std::byte> bytes) {
  return std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size() ? Status{} : failed("write", path_);
}

Status NewFile::commit() {
  if (std::fflush(file_) != 0) return failed("write", path_);
  if (!temporary_.empty() && std::rename(temporary_.c_str(), path_.c_str()) != 0) return failed("create", path_);
  std::fclose(std::exchange(file_, nullptr));
  return {};
}

}  // namespace cairn::cli
