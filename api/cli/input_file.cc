// SPDX-License-Identifier: Apache-2.0
#include "api/cli/input_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cairn::cli {

InputFile::~InputFile() {
  if (file_ != nullptr && file_ != stdin) static_cast<void>(std::fclose(file_));
}

Status InputFile::open(const std::string& path) {
  path_ = path;
  file_ = path == "-" ? stdin : std::fopen(path.c_str(), "rbe");
  return file_ == nullptr ? failed() : Status();
}

Error InputFile::failed() const {
  const int saved = errno;
  return {.code = ErrorCode::io, .message = path_ + ": " + std::strerror(saved), .sys_errno = saved};
}

Result<std::string> InputFile::read(std::size_t at_most) {
  constexpr std::size_t kChunk = std::size_t{1} << 20;
  std::string bytes;
  for (;;) {
    const std::size_t before = bytes.size(), wanted = std::min(kChunk, at_most - before);
    bytes.resize(before + wanted);
    const std::size_t got = std::fread(bytes.data() + before, 1, wanted, file_);
    bytes.resize(before + got);
    if (std::ferror(file_) != 0) return failed();
    if (got < wanted || bytes.size() == at_most) return bytes;
  }
}

Result<bool> InputFile::line(std::string& line, std::size_t at_most) {
  line.clear();
  ++line_number_;
  for (;;) {
    const int next = ::getc_unlocked(file_);
    if (next == '\n') return true;
    if (next == EOF) {
      if (std::ferror(file_) != 0) return failed();
      return !line.empty();
    }
    if (line.size() == at_most) {
      return Error{.code = ErrorCode::invalid_argument,
                   .message = fmt::format("{}, line {}: is longer than {} bytes", path_, line_number_, at_most)};
    }
    line.push_back(static_cast<char>(next));
  }
}

}  // namespace cairn::cli
