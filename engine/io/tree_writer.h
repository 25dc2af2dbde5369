// SPDX-License-Identifier: Apache-2.0
//
// Restores a tree under a folder, and never outside it: names come from an archive that
// anybody may have made, and links that lie in the folder already may point anywhere.
#pragma once

#include <memory>
#include <string>

#include "cairn/result.h"
#include "engine/base/bytes.h"

namespace cairn {

// A file being restored, under a temporary name (".cairn-….tmp") in its own folder until
// commit(). The destructor without a commit() removes it.
class OutputFile {
 public:
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Any thread, for ranges that do not overlap; the range lies inside the size given to
  // create_file. What is never written reads as zeros.
  Status write_at(std::uint64_t offset, Bytes bytes);

  // Gives the file its mode and time and moves it under its final name in one step: that
  // name has the whole content or what it had before. Not synced: power loss may take it.
  // Once, after every write_at; whatever it returns, the file is closed.
  Status commit(std::uint32_t mode, std::int64_t mtime_ns);

 private:
  friend class TreeWriter;
  struct Impl;
  explicit OutputFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Paths are relative: components joined by '/', none of them empty, "." or "..", no NUL;
// anything else is invalid_argument. Missing parents are created. A symbolic link or a
// file where a parent should be is an error that names it, and nothing is written through
// it. Modes are taken as given, 0 to 07777, without the umask.
//
// One thread at a time calls it; files it created may live and be committed elsewhere, and
// longer than it.
class TreeWriter {
 public:
  // `to` is the user's own choice of a folder: links in it are followed, and it is created
  // with its parents when missing. With `overwrite`, files and links that exist are
  // replaced; without, they are already_exists. A folder is never replaced by anything, nor
  // a file by a folder. Paths are resolved by openat2 where the kernel has it (Linux 5.6),
  // else, or without `use_openat2`, one component at a time; what holds is the same.
  static Result<TreeWriter> open(const std::string& to, bool overwrite, bool use_openat2 = true);
  TreeWriter(TreeWriter&&) noexcept;
  TreeWriter& operator=(TreeWriter&&) noexcept;
  ~TreeWriter();

  // The folder is there after this, writable for its owner; its mode and time are applied
  // by finish(). One that exists is kept, and given them too.
  Status make_directory(const std::string& path, std::uint32_t mode, std::int64_t mtime_ns);
  // Reserves `size` bytes, so that a full disk is found before anything is written.
  Result<std::unique_ptr<OutputFile>> create_file(const std::string& path, std::uint64_t size);
  // The target is kept as it is, and never looked at.
  Status make_symlink(const std::string& path, const std::string& target, std::int64_t mtime_ns);

  // Gives the folders their modes and times, deepest first, after everything in them has
  // been committed. Tries all of them and returns the first error.
  Status finish();

 private:
  struct Impl;
  explicit TreeWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
