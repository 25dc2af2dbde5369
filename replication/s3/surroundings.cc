// SPDX-License-Identifier: Apache-2.0
#include "replication/s3/surroundings.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "replication/s3/ini.h"
#include "replication/s3/messages.h"

namespace cairn::s3 {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Error file_error(const std::string& path, int sys_errno) {
  return Error{.code = ErrorCode::io,
               .message = "read " + path + ": " + std::string(::strerrordesc_np(sys_errno)),
               .sys_errno = sys_errno};
}

Result<std::optional<Secret>> read_file(const std::string& path) {
  // O_NONBLOCK: a pipe without a writer must not hold up whoever asks.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<Secret>();
    return file_error(path, errno);
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return file_error(path, errno);
  if (!S_ISREG(status.st_mode)) return make_error(ErrorCode::invalid_argument, path + " is no regular file");
  if (static_cast<std::uint64_t>(status.st_size) > kIniBytesMax) {
    return make_error(ErrorCode::invalid_argument, path + " is longer than 1 MiB");
  }
  Secret room = Secret::zeros(static_cast<std::size_t>(status.st_size));
  std::size_t size = 0;
  while (size < room.size()) {
    const ssize_t got = ::read(file.get(), room.data() + size, room.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  return std::optional<Secret>(Secret(room.reveal().substr(0, size)));
}

std::optional<std::string_view> variable(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

}  // namespace

Surroundings system_surroundings(EndpointExchange exchange) {
  return {.variable = &variable, .file = &read_file, .exchange = std::move(exchange), .now = &now};
}

}  // namespace cairn::s3
