// SPDX-License-Identifier: Apache-2.0
//
// The user's files as input: finding them under a root, and reading one. These are not the
// store's files, so FileSystem (the seam for faults) is not involved: nothing is written
// here, and whatever happens to an input costs that input only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cairn/result.h"
#include "engine/base/bytes.h"

namespace cairn {

enum class WalkedKind : std::uint8_t { file, directory, symlink };

// What tells whether a file is still the one that was seen, without reading it.
struct FileIdentity {
  std::uint64_t device = 0, inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0, ctime_ns = 0;  // since the Unix epoch
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

struct WalkedEntry {
  std::string relative_path;  // joined by '/', starting with the root's base name
  std::string open_path;      // for InputFile::open, from the working directory
  WalkedKind kind = WalkedKind::file;
  std::uint32_t mode = 0;  // permission bits, 0 to 07777
  FileIdentity identity;
  std::string link_target;  // of a symlink
};

using WalkVisitor = std::function<Status(const WalkedEntry&)>;
using WalkProblem = std::function<void(const std::string& path, const Error& error)>;

// Visits the root and, when it is a folder, everything below it: files, folders and
// symbolic links, which are never followed. The order is bytewise by relative_path as one
// string, which is the order of a TreeManifest: "a", "a.txt", "a/b".
//
// The root's base name is the last component as given; for a root that ends in '/', "."
// or "..", that of the folder it really is. "/" has none: invalid_argument.
//
// What cannot be looked at or is of another kind (socket, fifo, device) is handed to
// `problem` and left out; a folder that cannot be listed is visited, then a problem. The
// walk fails only when `visit` does, and then with that error. The tree may change while
// it is walked: each entry is what it was when it was looked at.
Status walk_tree(const std::string& root, const WalkVisitor& visit, const WalkProblem& problem);

// A regular file opened for reading, never through a symbolic link in its last component.
// Any thread may call any method.
class InputFile {
 public:
  // A fifo or device is refused without waiting for it.
  static Result<std::unique_ptr<InputFile>> open(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  // As it was when it was opened.
  std::uint64_t size() const noexcept { return identity_.size; }
  const FileIdentity& identity() const noexcept { return identity_; }
  // As it is now: when it differs from identity(), what was read may be a mixture.
  Result<FileIdentity> identity_now() const;

  // Fills `into` from `offset`. A file that ends earlier became shorter while it was read:
  // an error that says so.
  Status read_at(std::uint64_t offset, MutableBytes into) const;

  // Whether nothing of the range is in the page cache, and it can be read around it. False
  // where the kernel does not tell (before Linux 6.5).
  bool is_on_device(std::uint64_t offset, std::uint64_t length) const noexcept;
  // Reads as read_at() does, around the page cache where it can, to anywhere in `pages`,
  // which starts on a page and has room for two pages more than `length`. Returns where.
  Result<Bytes> read_pages(std::uint64_t offset, std::size_t length, MutableBytes pages) const;

 private:
  InputFile(std::string path, int fd, int direct_fd, const FileIdentity& identity)
      : path_(std::move(path)), fd_(fd), direct_fd_(direct_fd), identity_(identity) {}

  std::string path_;
  int fd_;
  int direct_fd_;  // the same file with O_DIRECT; -1 where that is refused
  FileIdentity identity_;
};

}  // namespace cairn
