// SPDX-License-Identifier: Apache-2.0
//
// Every path is resolved from the descriptor of the folder that is restored into, without
// following a link, and its last component is only ever created, renamed or linked by name
// in its parent's descriptor. So there is no path that could be redirected in between.
#include "engine/io/tree_writer.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <map>
#include <utility>

#include "engine/base/errors.h"

namespace cairn {
namespace {

constexpr std::uint32_t kModeBits = 07777;

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// A path taken apart, checked. `parent` is empty for an entry of the root.
struct SplitPath {
  std::string parent, base;
};

Result<SplitPath> split_path(const std::string& path) {
  const auto refuse = [&](const char* why) {
    return make_error(ErrorCode::invalid_argument, "refusing to restore '" + path + "': " + why);
  };
  if (path.empty()) return refuse("an empty path");
  if (path.find('\0') != std::string::npos) return refuse("a path with a NUL byte");
  if (path.front() == '/') return refuse("an absolute path");
  std::size_t start = 0;
  for (;;) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view component(path.data() + start, end - start);
    if (component.empty()) return refuse("a path with an empty component");
    if (component == "." || component == "..") return refuse("a path with a '.' or '..' component");
    if (end == path.size()) break;
    start = end + 1;
  }
  return SplitPath{.parent = start == 0 ? "" : path.substr(0, start - 1), .base = path.substr(start)};
}

timespec to_timespec(std::int64_t ns) noexcept {
  constexpr std::int64_t kSecond = 1'000'000'000;
  timespec time{.tv_sec = ns / kSecond, .tv_nsec = ns % kSecond};
  if (time.tv_nsec < 0) {
    --time.tv_sec;
    time.tv_nsec += kSecond;
  }
  return time;
}

// The time of last access stays as it is.
std::array<timespec, 2> only_mtime(std::int64_t mtime_ns) noexcept {
  return {timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, to_timespec(mtime_ns)};
}

Result<std::string> temporary_name() {
  std::uint64_t random = 0;
  while (::getrandom(&random, sizeof(random), 0) != static_cast<ssize_t>(sizeof(random))) {
    if (errno != EINTR) return error_from_errno(errno, "get random bytes for a temporary name");
  }
  std::array<char, 32> text{};
  const int length =
      std::snprintf(text.data(), text.size(), ".cairn-%016llx.tmp", static_cast<unsigned long long>(random));
  return std::string(text.data(), static_cast<std::size_t>(length));
}

// Names the cause where a restore meets something that must not be there.
Error entry_error(int sys_errno, const std::string& what, const std::string& path) {
  Error error = error_from_errno(sys_errno, what + " " + path);
  if (sys_errno == ELOOP || sys_errno == EXDEV || sys_errno == ENOTDIR) {
    error.code = ErrorCode::already_exists;
    error.message = what + " " + path + ": a symbolic link or a file is in the way; nothing is written through it";
  } else if (sys_errno == EEXIST) {
    error.message = path + " exists already; nothing was replaced";
  }
  return error;
}

Status move_into_place(int folder, const std::string& from, const std::string& to, bool overwrite,
                       const std::string& path) {
  if (overwrite) {
    if (::renameat(folder, from.c_str(), folder, to.c_str()) != 0) return entry_error(errno, "replace", path);
    return {};
  }
  if (::renameat2(folder, from.c_str(), folder, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return entry_error(errno, "create", path);
  // A file system without RENAME_NOREPLACE: link() never replaces either.
  if (::linkat(folder, from.c_str(), folder, to.c_str(), 0) != 0) return entry_error(errno, "create", path);
  ::unlinkat(folder, from.c_str(), 0);
  return {};
}

}  // namespace

struct OutputFile::Impl {
  Descriptor folder, file;
  std::string temporary, base, path;
  std::uint64_t size = 0;
  bool overwrite = false;
};

OutputFile::OutputFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

OutputFile::~OutputFile() {
  if (!impl_->temporary.empty()) ::unlinkat(impl_->folder.get(), impl_->temporary.c_str(), 0);
}

Status OutputFile::write_at(std::uint64_t offset, Bytes bytes) {
  if (offset > impl_->size || bytes.size() > impl_->size - offset) {
    return make_error(ErrorCode::invalid_argument, "write past the end of " + impl_->path);
  }
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(impl_->file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      return error_from_errno(errno, "write " + impl_->path + " at " + std::to_string(offset));
    }
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Status OutputFile::commit(std::uint32_t mode, std::int64_t mtime_ns) {
  const int fd = impl_->file.get();
  if (fd < 0) return make_error(ErrorCode::invalid_argument, impl_->path + " is committed already");
  Descriptor closing = std::move(impl_->file);  // on every way out
  // Writing clears the set-id bits, so the mode comes after the content.
  if (::fchmod(fd, mode & kModeBits) != 0) return error_from_errno(errno, "set the mode of " + impl_->path);
  const auto times = only_mtime(mtime_ns);
  if (::futimens(fd, times.data()) != 0) return error_from_errno(errno, "set the time of " + impl_->path);
  // A network file system may tell only now that it could not write.
  if (::close(closing.release()) != 0) return error_from_errno(errno, "close " + impl_->path);
  CAIRN_CHECK(move_into_place(impl_->folder.get(), impl_->temporary, impl_->base, impl_->overwrite, impl_->path));
  impl_->temporary.clear();
  return {};
}

struct TreeWriter::Impl {
  struct FolderAttributes {
    std::uint32_t mode = 0;
    std::int64_t mtime_ns = 0;
  };

  Descriptor root;
  bool overwrite = false;
  bool use_openat2 = true;
  std::map<std::string, FolderAttributes> folders;

  // -1 and errno, as open().
  int open_below(const std::string& path, int flags) {
    flags |= O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if (use_openat2) {
      open_how how{};
      how.flags = static_cast<std::uint64_t>(flags);
      how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
      for (;;) {
        const long fd = ::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof(how));
        if (fd >= 0) return static_cast<int>(fd);
        // EAGAIN: something was renamed meanwhile and the kernel could not tell that the
        // walk stayed below the root.
        if (errno == EINTR || errno == EAGAIN) continue;
        // EPERM comes from sandboxes that do not know the call.
        if (errno != ENOSYS && errno != EPERM) return -1;
        use_openat2 = false;
        break;
      }
    }
    Descriptor at(::openat(root.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (std::size_t start = 0; at && start <= path.size();) {
      const std::size_t end = std::min(path.find('/', start), path.size());
      const std::string component = path.substr(start, end - start);
      const int wanted = end == path.size() ? flags : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
      at = Descriptor(::openat(at.get(), component.c_str(), wanted));
      start = end + 1;
    }
    return at.release();
  }

  // The folder at `path`, made with its parents when missing.
  Result<Descriptor> folder(const std::string& path) {
    if (path.empty()) {
      Descriptor same(::openat(root.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (!same) return error_from_errno(errno, "open the folder to restore into");
      return same;
    }
    if (const int fd = open_below(path, O_PATH); fd >= 0) return Descriptor(fd);
    if (errno != ENOENT) return entry_error(errno, "open folder", path);
    CAIRN_TRY(const SplitPath split, split_path(path));
    CAIRN_TRY(const Descriptor parent, folder(split.parent));
    if (::mkdirat(parent.get(), split.base.c_str(), 0777) != 0 && errno != EEXIST) {
      return entry_error(errno, "create folder", path);
    }
    Descriptor made(::openat(parent.get(), split.base.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made) return entry_error(errno, "open folder", path);
    return made;
  }

  // What stands at the final name must be replaceable; found before any byte is written.
  Status check_target(int parent, const std::string& base, const std::string& path) const {
    struct stat info {};
    if (::fstatat(parent, base.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};
      return error_from_errno(errno, "look at " + path);
    }
    if (S_ISDIR(info.st_mode)) {
      return make_error(ErrorCode::already_exists, path + " exists already and is a folder: it is never replaced");
    }
    if (!overwrite) return entry_error(EEXIST, "create", path);
    return {};
  }
};

namespace {

// An existing folder may deny its owner what a restore into it needs.
Status make_usable(int parent, const std::string& base, const std::string& path) {
  const Descriptor found(::openat(parent, base.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  // O_PATH with O_NOFOLLOW would open a link itself; O_DIRECTORY makes that ENOTDIR.
  if (!found) return entry_error(errno, "create folder", path);
  struct stat info {};
  if (::fstat(found.get(), &info) != 0) return error_from_errno(errno, "look at " + path);
  if ((info.st_mode & 0700) == 0700) return {};
  // chmod by descriptor works only on one opened for reading, which the mode may forbid.
  const std::string self = "/proc/self/fd/" + std::to_string(found.get());
  if (::chmod(self.c_str(), (info.st_mode & kModeBits) | 0700) != 0)
    return error_from_errno(errno, "make writable " + path);
  return {};
}

}  // namespace

TreeWriter::TreeWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TreeWriter::TreeWriter(TreeWriter&&) noexcept = default;
TreeWriter& TreeWriter::operator=(TreeWriter&&) noexcept = default;
TreeWriter::~TreeWriter() = default;

Result<TreeWriter> TreeWriter::open(const std::string& to, bool overwrite, bool use_openat2) {
  if (to.empty()) return make_error(ErrorCode::invalid_argument, "an empty path names no folder to restore into");
  for (std::size_t end = 1; end != std::string::npos;) {
    end = to.find('/', end + 1);
    const std::string part = to.substr(0, end);
    if (::mkdir(part.c_str(), 0777) != 0 && errno != EEXIST && errno != EISDIR) {
      // A parent that exists on a read-only file system is reported as such: not yet an error.
      if (errno != EROFS && errno != EACCES) return error_from_errno(errno, "create folder " + part);
    }
  }
  auto impl = std::make_unique<Impl>();
  impl->root = Descriptor(::open(to.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!impl->root) return error_from_errno(errno, "open folder " + to);
  impl->overwrite = overwrite;
  impl->use_openat2 = use_openat2;
  return TreeWriter(std::move(impl));
}

Status TreeWriter::make_directory(const std::string& path, std::uint32_t mode, std::int64_t mtime_ns) {
  CAIRN_TRY(const SplitPath split, split_path(path));
  CAIRN_TRY(const Descriptor parent, impl_->folder(split.parent));
  if (::mkdirat(parent.get(), split.base.c_str(), 0700) != 0) {
    if (errno != EEXIST) return entry_error(errno, "create folder", path);
    CAIRN_CHECK(make_usable(parent.get(), split.base, path));
  }
  impl_->folders[path] = {.mode = mode & kModeBits, .mtime_ns = mtime_ns};
  return {};
}

Result<std::unique_ptr<OutputFile>> TreeWriter::create_file(const std::string& path, std::uint64_t size) {
  CAIRN_TRY(const SplitPath split, split_path(path));
  auto file = std::make_unique<OutputFile::Impl>();
  CAIRN_TRY(file->folder, impl_->folder(split.parent));
  CAIRN_CHECK(impl_->check_target(file->folder.get(), split.base, path));
  CAIRN_TRY(const std::string temporary, temporary_name());
  file->file = Descriptor(
      ::openat(file->folder.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file->file) return entry_error(errno, "create a temporary file for", path);
  file->temporary = temporary;
  file->base = split.base;
  file->path = path;
  file->size = size;
  file->overwrite = impl_->overwrite;
  const int fd = file->file.get();
  std::unique_ptr<OutputFile> output(new OutputFile(std::move(file)));  // removes the temporary from here on
  if (size == 0) return output;
  if (size > static_cast<std::uint64_t>(INT64_MAX)) {
    return make_error(ErrorCode::invalid_argument, path + " would be larger than any file can be");
  }
  int refused = 0;
  do {
    refused = ::fallocate(fd, 0, 0, static_cast<off_t>(size)) == 0 ? 0 : errno;
  } while (refused == EINTR);
  // A file system that cannot reserve space still gives the size.
  if (refused == EOPNOTSUPP || refused == ENOSYS) refused = ::ftruncate(fd, static_cast<off_t>(size)) == 0 ? 0 : errno;
  if (refused != 0) return error_from_errno(refused, "reserve " + std::to_string(size) + " bytes for " + path);
  return output;
}

Status TreeWriter::make_symlink(const std::string& path, const std::string& target, std::int64_t mtime_ns) {
  if (target.empty() || target.find('\0') != std::string::npos) {
    return make_error(ErrorCode::invalid_argument, "refusing to restore '" + path + "': no link can have that target");
  }
  CAIRN_TRY(const SplitPath split, split_path(path));
  CAIRN_TRY(const Descriptor parent, impl_->folder(split.parent));
  CAIRN_CHECK(impl_->check_target(parent.get(), split.base, path));
  CAIRN_TRY(const std::string temporary, temporary_name());
  if (::symlinkat(target.c_str(), parent.get(), temporary.c_str()) != 0) return entry_error(errno, "create link", path);
  const auto times = only_mtime(mtime_ns);
  Status status;
  if (::utimensat(parent.get(), temporary.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
    status = error_from_errno(errno, "set the time of " + path);
  } else {
    status = move_into_place(parent.get(), temporary, split.base, impl_->overwrite, path);
  }
  if (!status.ok()) ::unlinkat(parent.get(), temporary.c_str(), 0);
  return status;
}

Status TreeWriter::finish() {
  Status first;
  const auto keep = [&](Error error) {
    if (first.ok()) first = std::move(error);
  };
  // What is in a folder sorts after it, so the reverse order is deepest first.
  for (auto folder = impl_->folders.rbegin(); folder != impl_->folders.rend(); ++folder) {
    const auto& [path, attributes] = *folder;
    const Descriptor fd(impl_->open_below(path, O_RDONLY));
    if (!fd) {
      keep(entry_error(errno, "open folder", path));
      continue;
    }
    const auto times = only_mtime(attributes.mtime_ns);
    if (::futimens(fd.get(), times.data()) != 0) keep(error_from_errno(errno, "set the time of " + path));
    if (::fchmod(fd.get(), attributes.mode) != 0) keep(error_from_errno(errno, "set the mode of " + path));
  }
  impl_->folders.clear();
  return first;
}

}  // namespace cairn
