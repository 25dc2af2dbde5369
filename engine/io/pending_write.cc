// SPDX-License-Identifier: Apache-2.0
#include "engine/io/pending_write.h"

#include <algorithm>
#include <cerrno>
#include <climits>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"

namespace cairn {

Result<PendingWrite> PendingWrite::start(const PosixFile& file, std::uint64_t offset, std::span<const Bytes> parts) {
  PendingWrite write;
  write.offset_ = offset;
  write.parts_.reserve(parts.size());
  std::uint64_t end = offset;
  for (const Bytes& part : parts) {
    if (part.empty()) continue;
    if (__builtin_add_overflow(end, part.size(), &end)) end = UINT64_MAX;
    // The kernel does not write through this pointer; iovec serves reads as well.
    write.parts_.push_back({const_cast<std::byte*>(part.data()), part.size()});
  }
  if (end > static_cast<std::uint64_t>(INT64_MAX)) return file.error("write", offset, EFBIG);
  return write;
}

std::span<const iovec> PendingWrite::next() const noexcept {
  return {parts_.data() + first_, std::min<std::size_t>(parts_.size() - first_, IOV_MAX)};
}

Status PendingWrite::advance(const PosixFile& file, std::size_t written) {
  std::size_t asked = 0;
  for (const iovec& part : next()) asked += part.iov_len;
  if (file.direct() && written < asked) written = written / kPageBytes * kPageBytes;
  if (written == 0) {
    // A signal may cut a write short once. A file system that does so twice at the same
    // place has no room for a whole page.
    if (stalled_) return failed(file, ENOSPC);
    stalled_ = true;
    return {};
  }
  stalled_ = false;
  offset_ += written;
  while (written > 0) {
    iovec& part = parts_[first_];
    const std::size_t taken = std::min(written, part.iov_len);
    part.iov_base = static_cast<std::byte*>(part.iov_base) + taken;
    part.iov_len -= taken;
    written -= taken;
    if (part.iov_len == 0) ++first_;
  }
  return {};
}

Status PendingWrite::finish(const PosixFile& file) {
  while (!complete()) {
    const auto parts = next();
    const ssize_t written =
        ::pwritev(file.fd(), parts.data(), static_cast<int>(parts.size()), static_cast<off_t>(offset_));
    if (written < 0) {
      if (errno == EINTR) continue;
      return failed(file, errno);
    }
    CAIRN_CHECK(advance(file, static_cast<std::size_t>(written)));
  }
  return {};
}

Error PendingWrite::failed(const PosixFile& file, int sys_errno) const {
  return file.error("write", offset_, sys_errno);
}

}  // namespace cairn
