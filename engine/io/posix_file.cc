// SPDX-License-Identifier: Apache-2.0
#include "engine/io/posix_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"
#include "engine/io/pending_write.h"

namespace cairn {
namespace {

constexpr std::uint64_t kOffsetMax = INT64_MAX;

}  // namespace

// What close() could still report about writes was already asked of sync(); a file that
// was never synced promised nothing.
PosixFile::~PosixFile() { ::close(fd_); }

Error PosixFile::error(std::string_view verb, std::uint64_t offset, int sys_errno) const {
  return error_from_errno(sys_errno, std::string(verb) + " " + path_ + " at " + std::to_string(offset));
}

Result<std::size_t> PosixFile::read_at(std::uint64_t offset, MutableBytes into) {
  if (offset > kOffsetMax || into.size() > kOffsetMax - offset) return error("read", offset, EINVAL);
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) continue;
      return error("read", offset + done, errno);
    }
    if (got == 0) break;
    const std::size_t before = done;
    done += static_cast<std::size_t>(got);
    if (!direct_ || done % kPageBytes == 0) continue;
    // A direct read that stops inside a page has come to the end of the file, or was cut
    // short. The next offset must be aligned, so the page that was cut is read again.
    CAIRN_TRY(const std::uint64_t end, size());
    if (offset + done >= end) break;
    done = done / kPageBytes * kPageBytes;
    if (done <= before) return error("read", offset + done, EIO);
  }
  return done;
}

Status PosixFile::write_at(std::uint64_t offset, Bytes bytes) {
  CAIRN_TRY(PendingWrite write, PendingWrite::start(*this, offset, {&bytes, 1}));
  return write.finish(*this);
}

Status PosixFile::sync() {
  // fdatasync makes the size durable too, as far as it is needed to read the data back;
  // it leaves out only times. Only EINTR is tried again: it tells of no lost page.
  while (::fdatasync(fd_) != 0) {
    if (errno != EINTR) return error_from_errno(errno, "sync " + path_);
  }
  return {};
}

Result<std::uint64_t> PosixFile::size() {
  struct stat info {};
  if (::fstat(fd_, &info) != 0) return error_from_errno(errno, "size of " + path_);
  return static_cast<std::uint64_t>(info.st_size);
}

Status PosixFile::truncate(std::uint64_t size) {
  if (size > kOffsetMax) return error("truncate", size, EFBIG);
  while (::ftruncate(fd_, static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) return error("truncate", size, errno);
  }
  return {};
}

Status PosixFile::preallocate(std::uint64_t size) {
  if (size == 0) return {};
  if (size > kOffsetMax) return error("preallocate", size, EFBIG);
  while (::fallocate(fd_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)) != 0) {
    if (errno == EOPNOTSUPP || errno == ENOSYS) return {};
    if (errno != EINTR) return error("preallocate", size, errno);
  }
  return {};
}

}  // namespace cairn
