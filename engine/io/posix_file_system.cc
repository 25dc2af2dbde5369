// SPDX-License-Identifier: Apache-2.0
//
// FileSystem over the operating system. Every descriptor is close-on-exec.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string_view>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"
#include "engine/io/file_system.h"
#include "engine/io/posix_file.h"
#include "engine/io/posix_lock.h"
#include "engine/io/posix_write_queue.h"

namespace cairn {
namespace {

int open_retrying(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

// Whether transfers of whole pages are what this file takes with O_DIRECT. Kernels that do
// not say are believed to.
bool pages_suit_device([[maybe_unused]] int fd) {
#ifdef STATX_DIOALIGN
  struct statx info {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) != 0 || (info.stx_mask & STATX_DIOALIGN) == 0) return true;
  const auto divides_page = [](std::uint32_t alignment) { return alignment != 0 && kPageBytes % alignment == 0; };
  return divides_page(info.stx_dio_mem_align) && divides_page(info.stx_dio_offset_align);
#else
  return true;
#endif
}

// O_DIRECT is set on a file that is open already: open() with it may create the file and
// refuse it afterwards, and the second, buffered open() would then find it existing.
bool make_direct(int fd) {
  if (!pages_suit_device(fd)) return false;
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && ::fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

class PosixFileSystem final : public FileSystem {
 public:
  explicit PosixFileSystem(const PosixOptions& options) : options_(options) {}

  Result<std::unique_ptr<File>> open(const std::string& path, const FileOptions& options) override {
    if ((options.create || options.truncate) && !options.write) {
      return make_error(ErrorCode::invalid_argument, "open " + path + ": creating and truncating need write");
    }
    if (options.exclusive && !options.create) {
      return make_error(ErrorCode::invalid_argument, "open " + path + ": exclusive needs create");
    }
    int flags = options.write ? O_RDWR : O_RDONLY;
    if (options.create) flags |= O_CREAT;
    if (options.exclusive) flags |= O_EXCL;
    if (options.truncate) flags |= O_TRUNC;
    const int fd = open_retrying(path, flags);
    if (fd < 0) return error_from_errno(errno, "open " + path);
    const bool direct = options.direct && options_.direct && make_direct(fd);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(path, fd, direct));
  }

  Result<std::unique_ptr<WriteQueue>> write_queue(File& file, std::size_t depth) override {
    auto* const posix = dynamic_cast<PosixFile*>(&file);
    if (posix == nullptr) return make_error(ErrorCode::invalid_argument, "write queue: not a file of this file system");
    if (depth == 0) return make_error(ErrorCode::invalid_argument, "write queue: a depth of 0 holds no write");
    std::unique_ptr<WriteQueue> queue;
    if (options_.io_uring && uring_works()) queue = make_uring_queue(*posix, depth);
    if (!queue) queue = make_pwrite_queue(*posix, depth);
    return queue;
  }

  Status create_directory(const std::string& path) override {
    return checked(::mkdir(path.c_str(), 0777), "create folder " + path);
  }

  Status rename(const std::string& from, const std::string& to) override {
    return checked(std::rename(from.c_str(), to.c_str()), "rename " + from + " to " + to);
  }

  Status link(const std::string& from, const std::string& to) override {
    return checked(::link(from.c_str(), to.c_str()), "link " + from + " to " + to);
  }

  Status clone_file(const std::string& from, const std::string& to) override {
    const std::string what = "clone " + from + " to " + to;
    const int source = open_retrying(from, O_RDONLY);
    if (source < 0) return error_from_errno(errno, what);
    const int target = open_retrying(to, O_WRONLY | O_CREAT | O_EXCL);
    int failed = target < 0 ? errno : 0;
    if (target >= 0) {
      while (::ioctl(target, FICLONE, source) != 0) {
        failed = errno;
        if (failed != EINTR) break;
        failed = 0;
      }
      ::close(target);
      if (failed != 0) static_cast<void>(::unlink(to.c_str()));
    }
    ::close(source);
    if (failed != 0) return error_from_errno(failed, what);
    return {};
  }

  Status remove_file(const std::string& path) override { return checked(::unlink(path.c_str()), "remove " + path); }

  Status remove_directory(const std::string& path) override {
    return checked(::rmdir(path.c_str()), "remove folder " + path);
  }

  Status sync_directory(const std::string& path) override {
    const int fd = open_retrying(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return error_from_errno(errno, "sync folder " + path);
    int failed = 0;
    do {
      failed = ::fsync(fd) != 0 ? errno : 0;
    } while (failed == EINTR);
    ::close(fd);
    if (failed != 0) return error_from_errno(failed, "sync folder " + path);
    return {};
  }

  Result<std::vector<std::string>> list_directory(const std::string& path) override {
    DIR* const folder = ::opendir(path.c_str());
    if (folder == nullptr) return error_from_errno(errno, "list " + path);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(folder)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    const int failed = errno;
    ::closedir(folder);
    if (failed != 0) return error_from_errno(failed, "list " + path);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<FileInfo> info(const std::string& path) override {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return error_from_errno(errno, "look at " + path);
    return FileInfo{.is_directory = S_ISDIR(found.st_mode),
                    .size = static_cast<std::uint64_t>(found.st_size),
                    .disk_bytes = static_cast<std::uint64_t>(found.st_blocks) * 512};
  }

  Result<SpaceInfo> space(const std::string& path) override {
    struct statvfs found {};
    int failed = 0;
    do {
      failed = ::statvfs(path.c_str(), &found) != 0 ? errno : 0;
    } while (failed == EINTR);
    if (failed != 0) return error_from_errno(failed, "space of " + path);
    return SpaceInfo{.total_bytes = std::uint64_t{found.f_blocks} * found.f_frsize,
                     .available_bytes = std::uint64_t{found.f_bavail} * found.f_frsize};
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override { return lock_posix_file(path); }

 private:
  static Status checked(int result, const std::string& what) {
    if (result != 0) return error_from_errno(errno, what);
    return {};
  }

  const PosixOptions options_;
};

}  // namespace

FileSystem& posix_file_system() {
  // Never destroyed: threads may still use it while the process exits.
  static PosixFileSystem* const instance = new PosixFileSystem(PosixOptions{});
  return *instance;
}

std::unique_ptr<FileSystem> make_posix_file_system(const PosixOptions& options) {
  return std::make_unique<PosixFileSystem>(options);
}

bool io_uring_available() { return uring_works(); }

}  // namespace cairn
