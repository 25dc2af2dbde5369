// SPDX-License-Identifier: Apache-2.0
//
// What a user gives to be read: a file, or standard input, whole or line by line. Whoever waits for
// it can be stopped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/result.h"

namespace cairn::cli {

// One thread.
class InputFile {
 public:
  // The error to return once a stop is asked for; reading looks at it again and again.
  using CheckStop = std::function<Status()>;

  explicit InputFile(CheckStop check_stop);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // "-" is standard input.
  Status open(const std::string& path);
  const std::string& path() const noexcept { return path_; }

  // The next `at_most` bytes; fewer at the end.
  Result<std::string> read(std::size_t at_most);

  // The next line, without its end. False when there is none. invalid_argument, with the line's number, when it has
  // more than `at_most` bytes.
  Result<bool> line(std::string& line, std::size_t at_most);
  std::uint64_t line_number() const noexcept { return line_number_; }  // of the last one; from 1

 private:
  Error failed() const;
  Result<bool> fill();  // whether there was more

  const CheckStop check_stop_;
  std::string path_;
  int fd_ = -1;
  std::vector<char> buffer_;
  std::string_view rest_;  // of the buffer, not given yet
  std::uint64_t line_number_ = 0;
};

}  // namespace cairn::cli
