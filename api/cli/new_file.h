// SPDX-License-Identifier: Apache-2.0
//
// A file that has its final name only once it is whole: what --out writes. A pipe or a device is written
// to as it comes.
#pragma once

#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "cairn/result.h"

namespace cairn::cli {

// Without commit() nothing stays. One thread.
class NewFile {
 public:
  explicit NewFile(std::string path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  Status open();
  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text) { return write(std::as_bytes(std::span(text.data(), text.size()))); }
  // Takes the place of what had the name before.
  Status commit();

 private:
  Status open_as(const std::string& path, int flags);

  std::string path_;
  std::string temporary_;  // none: path_ itself is written to
  std::FILE* file_ = nullptr;
};

}  // namespace cairn::cli
