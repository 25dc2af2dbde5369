// SPDX-License-Identifier: Apache-2.0
//
// What is left to write of one gathered write. Both write queues and File::write_at go
// through it, so that short transfers are continued in one way.
#pragma once

#include <sys/uio.h>

#include <span>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/posix_file.h"

namespace cairn {

class PendingWrite {
 public:
  // Fails when the range does not fit a file offset.
  static Result<PendingWrite> start(const PosixFile& file, std::uint64_t offset, std::span<const Bytes> parts);

  bool complete() const noexcept { return first_ == parts_.size(); }
  std::uint64_t offset() const noexcept { return offset_; }
  // What to hand to the kernel next: at most IOV_MAX parts, whole.
  std::span<const iovec> next() const noexcept;
  // The kernel took `written` bytes of next(). With O_DIRECT only whole pages count: what
  // is beyond the last one is written again, because the next offset must be aligned too.
  Status advance(const PosixFile& file, std::size_t written);
  // Writes the rest with pwritev.
  Status finish(const PosixFile& file);

 private:
  PendingWrite() = default;
  Error failed(const PosixFile& file, int sys_errno) const;

  std::vector<iovec> parts_;
  std::size_t first_ = 0;  // the first part with bytes left; those left start at iov_base
  std::uint64_t offset_ = 0;
  bool stalled_ = false;
};

}  // namespace cairn
