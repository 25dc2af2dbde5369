// SPDX-License-Identifier: Apache-2.0
#include "api/cli/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace cairn::cli {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 10;
constexpr int kLookMs = 100;  // for a stop, while nothing comes

}  // namespace

InputFile::InputFile(CheckStop check_stop) : check_stop_(std::move(check_stop)), buffer_(kBufferBytes) {}

InputFile::~InputFile() {
  if (fd_ > STDIN_FILENO) static_cast<void>(::close(fd_));
}

Status InputFile::open(const std::string& path) {
  path_ = path;
  fd_ = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  return fd_ < 0 ? failed() : Status();
}

Error InputFile::failed() const {
  const int saved = errno;
  return {.code = ErrorCode::io, .message = path_ + ": " + std::strerror(saved), .sys_errno = saved};
}

// A read that waits for a terminal or a pipe would not hear of a stop.
Result<bool> InputFile::fill() {
  for (;;) {
    CAIRN_CHECK(check_stop_());
    pollfd input{.fd = fd_, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&input, 1, kLookMs);
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    if (ready < 0) return failed();
    const ssize_t got = ::read(fd_, buffer_.data(), buffer_.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return failed();
    rest_ = std::string_view(buffer_.data(), static_cast<std::size_t>(got));
    return got > 0;
  }
}

Result<std::string> InputFile::read(std::size_t at_most) {
  std::string bytes;
  while (bytes.size() < at_most) {
    if (rest_.empty()) {
      CAIRN_TRY(const bool has_more, fill());
      if (!has_more) break;
    }
    const std::size_t part = std::min(rest_.size(), at_most - bytes.size());
    bytes.append(rest_.substr(0, part));
    rest_.remove_prefix(part);
  }
  return bytes;
}

Result<bool> InputFile::line(std::string& line, std::size_t at_most) {
  line.clear();
  ++line_number_;
  for (;;) {
    if (rest_.empty()) {
      CAIRN_TRY(const bool has_more, fill());
      if (!has_more) return !line.empty();
    }
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    if (line.size() + end > at_most) {
      return Error{.code = ErrorCode::invalid_argument,
                   .message = fmt::format("{}, line {}: is longer than {} bytes", path_, line_number_, at_most)};
    }
    line.append(rest_.substr(0, end));
    const bool is_whole = end < rest_.size();
    rest_.remove_prefix(end + (is_whole ? 1 : 0));
    if (is_whole) return true;
  }
}

}  // namespace cairn::cli
