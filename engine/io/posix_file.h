// SPDX-License-Identifier: Apache-2.0
//
// File over a file descriptor. Seen by the posix write queues, which need the descriptor.
#pragma once

#include <string>
#include <string_view>

#include "engine/io/file_system.h"

namespace cairn {

class PosixFile final : public File {
 public:
  // Takes ownership of `fd`. `direct` says whether O_DIRECT is set on it.
  PosixFile(std::string path, int fd, bool direct) : path_(std::move(path)), fd_(fd), direct_(direct) {}
  ~PosixFile() override;
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes into) override;
  Status write_at(std::uint64_t offset, Bytes bytes) override;
  Status sync() override;
  Result<std::uint64_t> size() override;
  Status truncate(std::uint64_t size) override;
  Status preallocate(std::uint64_t size) override;
  bool direct() const override { return direct_; }

  int fd() const noexcept { return fd_; }
  // "write log/00000001.seg at 8192: No space left on device".
  Error error(std::string_view verb, std::uint64_t offset, int sys_errno) const;

 private:
  std::string path_;
  int fd_;
  bool direct_;
};

}  // namespace cairn
