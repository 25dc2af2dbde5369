// SPDX-License-Identifier: Apache-2.0
#include "engine/io/tree_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <vector>

#include "engine/base/aligned_buffer.h"
#include "engine/base/errors.h"

namespace cairn {
namespace {

std::int64_t nanoseconds(const timespec& time) noexcept {
  // A file system may hold any time_t; years beyond 2262 do not fit and are clamped.
  constexpr std::int64_t kSecond = 1'000'000'000;
  if (time.tv_sec >= INT64_MAX / kSecond) return INT64_MAX;
  if (time.tv_sec <= INT64_MIN / kSecond) return INT64_MIN;
  return time.tv_sec * kSecond + time.tv_nsec;
}

FileIdentity identity_of(const struct stat& info) noexcept {
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .size = static_cast<std::uint64_t>(info.st_size),
          .mtime_ns = nanoseconds(info.st_mtim),
          .ctime_ns = nanoseconds(info.st_ctim)};
}

Result<std::string> read_link(const std::string& path, std::uint64_t size_hint) {
  // Some file systems report size 0 for links; the loop does not rely on it.
  std::string target(std::max<std::uint64_t>(std::min<std::uint64_t>(size_hint, PATH_MAX) + 1, 256), '\0');
  for (;;) {
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
    if (length < 0) return error_from_errno(errno, "read link " + path);
    if (static_cast<std::size_t>(length) < target.size()) {
      target.resize(static_cast<std::size_t>(length));
      return target;
    }
    target.resize(target.size() * 2);
  }
}

Result<std::vector<std::string>> list_names(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return error_from_errno(errno, "open folder " + path);
  DIR* const folder = ::fdopendir(fd);
  if (folder == nullptr) {
    const int saved = errno;
    ::close(fd);
    return error_from_errno(saved, "list " + path);
  }
  std::vector<std::string> names;
  int failed = 0;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(folder);
    if (entry == nullptr) {
      failed = errno;
      break;
    }
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  ::closedir(folder);
  if (failed != 0) return error_from_errno(failed, "list " + path);
  return names;
}

class Walker {
 public:
  Walker(const WalkVisitor& visit, const WalkProblem& problem) : visit_(visit), problem_(problem) {}

  // Visits one entry, without what is below it; answers whether it is a folder.
  Result<bool> visit_one(const std::string& open_path, const std::string& relative_path) {
    struct stat info {};
    if (::lstat(open_path.c_str(), &info) != 0) {
      problem_(open_path, error_from_errno(errno, "look at " + open_path));
      return false;
    }
    WalkedEntry entry{.relative_path = relative_path, .open_path = open_path};
    entry.mode = info.st_mode & 07777;
    entry.identity = identity_of(info);
    if (S_ISREG(info.st_mode)) {
      entry.kind = WalkedKind::file;
    } else if (S_ISDIR(info.st_mode)) {
      entry.kind = WalkedKind::directory;
    } else if (S_ISLNK(info.st_mode)) {
      entry.kind = WalkedKind::symlink;
      Result<std::string> target = read_link(open_path, entry.identity.size);
      if (!target.ok()) {
        problem_(open_path, target.error());
        return false;
      }
      entry.link_target = std::move(target).value();
    } else {
      problem_(open_path, make_error(ErrorCode::unsupported,
                                     open_path + " is no file, folder or symbolic link (a socket, fifo or device)"));
      return false;
    }
    CAIRN_CHECK(visit_(entry));
    return entry.kind == WalkedKind::directory;
  }

  // Visits what is in a folder. A name's own place in the order is its name; what is below
  // it comes at its name and '/', after any sibling whose next byte is smaller ("a.txt").
  // Each folder's names are held while it is walked; the depth is bounded by PATH_MAX.
  Status visit_below(const std::string& open_path, const std::string& relative_path) {
    Result<std::vector<std::string>> names = list_names(open_path);
    if (!names.ok()) {
      problem_(open_path, names.error());
      return {};
    }
    std::sort(names->begin(), names->end());
    std::vector<std::string> folders;  // visited, their content still to come; sorted
    std::size_t next_folder = 0;
    const auto descend_before = [&](const std::string* name) -> Status {
      while (next_folder < folders.size() && (name == nullptr || folders[next_folder] < *name)) {
        const std::string below = folders[next_folder++];
        const std::string folder = below.substr(0, below.size() - 1);
        CAIRN_CHECK(visit_below(open_path + "/" + folder, relative_path + "/" + folder));
      }
      return {};
    };
    for (const std::string& name : *names) {
      CAIRN_CHECK(descend_before(&name));
      CAIRN_TRY(const bool is_folder, visit_one(open_path + "/" + name, relative_path + "/" + name));
      if (!is_folder) continue;
      // "a" < "a.b" but "a/" > "a.b/": keep the ones still to come in the order of their content.
      std::string below = name + "/";
      folders.insert(std::upper_bound(folders.begin() + static_cast<std::ptrdiff_t>(next_folder), folders.end(), below),
                     std::move(below));
    }
    return descend_before(nullptr);
  }

 private:
  const WalkVisitor& visit_;
  const WalkProblem& problem_;
};

}  // namespace

Status walk_tree(const std::string& root, const WalkVisitor& visit, const WalkProblem& problem) {
  if (root.empty()) return make_error(ErrorCode::invalid_argument, "an empty path names no input");
  std::string open_path = root;
  std::string base = root.substr(root.find_last_of('/') + 1);
  if (base.empty() || base == "." || base == "..") {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(root.c_str(), nullptr), &std::free);
    if (!real) {
      problem(root, error_from_errno(errno, "look at " + root));
      return {};
    }
    open_path = real.get();
    base = open_path.substr(open_path.find_last_of('/') + 1);
    if (base.empty()) {
      return make_error(ErrorCode::invalid_argument, "'" + root + "' has no name of its own: give the folders in it");
    }
  }
  Walker walker(visit, problem);
  CAIRN_TRY(const bool is_folder, walker.visit_one(open_path, base));
  if (!is_folder) return {};
  return walker.visit_below(open_path, base);
}

Result<std::unique_ptr<InputFile>> InputFile::open(const std::string& path) {
  // O_NONBLOCK: opening a fifo would otherwise wait for a writer. It has no effect on files.
  const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    if (errno == ELOOP) return make_error(ErrorCode::io, "open " + path + ": is a symbolic link");
    return error_from_errno(errno, "open " + path);
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    const int saved = errno;
    ::close(fd);
    return error_from_errno(saved, "look at " + path);
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    return make_error(ErrorCode::unsupported, "open " + path + ": is not a regular file");
  }
  // Through its descriptor it is the same file, whatever the path has become.
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  const int direct_fd = ::open(self.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  return std::unique_ptr<InputFile>(new InputFile(path, fd, direct_fd, identity_of(info)));
}

InputFile::~InputFile() {
  ::close(fd_);
  if (direct_fd_ >= 0) ::close(direct_fd_);
}

Result<FileIdentity> InputFile::identity_now() const {
  struct stat info {};
  if (::fstat(fd_, &info) != 0) return error_from_errno(errno, "look at " + path_);
  return identity_of(info);
}

Status InputFile::read_at(std::uint64_t offset, MutableBytes into) const {
  while (!into.empty()) {
    const ssize_t count = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      return error_from_errno(errno, "read " + path_ + " at " + std::to_string(offset));
    }
    if (count == 0) {
      return make_error(ErrorCode::io, path_ + " became shorter while it was read: it ends at " +
                                           std::to_string(offset) + ", " + std::to_string(into.size()) +
                                           " bytes too early");
    }
    offset += static_cast<std::uint64_t>(count);
    into = into.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

bool InputFile::is_on_device(std::uint64_t offset, std::uint64_t length) const noexcept {
  // cachestat(2) is younger than the C library's headers.
  constexpr long kCachestat = 451;
  struct {
    std::uint64_t offset, length;
  } range{offset, length};
  struct {
    std::uint64_t cached, dirty, writeback, evicted, recently_evicted;
  } pages{};
  return direct_fd_ >= 0 && ::syscall(kCachestat, fd_, &range, &pages, 0) == 0 && pages.cached == 0;
}

Result<Bytes> InputFile::read_pages(std::uint64_t offset, std::size_t length, MutableBytes pages) const {
  const std::uint64_t from = offset / kPageBytes * kPageBytes;
  const std::size_t skip = offset - from;
  const std::size_t wanted = skip + length;
  std::size_t done = 0;
  while (done < wanted && done % kPageBytes == 0) {
    const ssize_t count =
        ::pread(direct_fd_, pages.data() + done, align_up(wanted, kPageBytes) - done, static_cast<off_t>(from + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  // What a direct read would not give, read_at() gives, or says why not.
  if (done < wanted) CAIRN_CHECK(read_at(from + done, pages.subspan(done, wanted - done)));
  return Bytes(pages.subspan(skip, length));
}

}  // namespace cairn
