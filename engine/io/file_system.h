// SPDX-License-Identifier: Apache-2.0
//
// The one seam to the operating system: everything Cairn reads or writes inside a store
// goes through FileSystem, so that tests can lose power, fill the disk and fail any call.
// Paths are absolute or relative to the working directory; nothing here interprets them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cairn/result.h"
#include "engine/base/bytes.h"

namespace cairn {

struct FileOptions {
  bool write = false;
  bool create = false;     // create when missing (needs write)
  bool exclusive = false;  // fail with already_exists when present (needs create)
  bool truncate = false;
  // Ask for O_DIRECT. Where the file system refuses it (tmpfs) the file is opened
  // buffered instead and direct() answers false: nothing else changes for the caller.
  bool direct = false;
};

// An open file. Any thread may call any method; calls on overlapping ranges are the
// caller's to order. When direct() is true, buffers, offsets and lengths of read_at and
// write_at are multiples of kPageBytes (engine/base/aligned_buffer.h).
//
// EINTR and short transfers never reach the caller. Errors name the file and the offset.
class File {
 public:
  virtual ~File() = default;

  // Reads until `into` is full or the file ends; returns the bytes read.
  virtual Result<std::size_t> read_at(std::uint64_t offset, MutableBytes into) = 0;
  // Writes all of `bytes`. On failure any part of them may be in the file.
  virtual Status write_at(std::uint64_t offset, Bytes bytes) = 0;
  // After success every completed write, and the file's size, survive power loss. After
  // a failure nothing is known about any of them, and retrying proves nothing (Linux
  // reports a lost page once): treat the file as lost.
  virtual Status sync() = 0;
  virtual Result<std::uint64_t> size() = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  // Reserves space for [0, size) without changing the file's size. A file system that
  // cannot is not an error; no_space is.
  virtual Status preallocate(std::uint64_t size) = 0;
  virtual bool direct() const = 0;
};

// Writes in flight to one file, in any order on the device: io_uring where the kernel has
// it, plain pwrite where not. Owned by one thread. The bytes of a submitted write must
// stay unchanged until wait_one() returns its tag or the queue is destroyed.
class WriteQueue {
 public:
  virtual ~WriteQueue() = default;  // waits for what is in flight

  // Starts writing all of `parts`, one after the other, at `offset`. Fails only when the
  // write could not be started. At most depth() writes may be in flight.
  virtual Status submit(std::uint64_t offset, std::vector<Bytes> parts, std::uint64_t tag) = 0;
  // Waits for a write to be complete and returns its tag, or the error of one that
  // failed. Must not be called with nothing in flight.
  virtual Result<std::uint64_t> wait_one() = 0;
  virtual std::size_t in_flight() const = 0;
  virtual std::size_t depth() const = 0;
};

// Held while it lives; released by the destructor and by the death of the process.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

struct FileInfo {
  bool is_directory = false;
  std::uint64_t size = 0;
  std::uint64_t disk_bytes = 0;  // blocks in use, as `du` counts
};

struct SpaceInfo {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;  // to this user
};

// Any thread may call any method.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, const FileOptions& options) = 0;
  // `file` outlives the queue. `depth` is at least 1.
  virtual Result<std::unique_ptr<WriteQueue>> write_queue(File& file, std::size_t depth) = 0;

  virtual Status create_directory(const std::string& path) = 0;               // already_exists when present
  virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Status link(const std::string& from, const std::string& to) = 0;
  // A new file `to` with the content of `from`, whose space they share until one is written.
  // Where the file system cannot, Error::sys_errno says so (EOPNOTSUPP, EXDEV, ...) and nothing
  // is left of `to`.
  virtual Status clone_file(const std::string& from, const std::string& to) = 0;
  virtual Status remove_file(const std::string& path) = 0;
  virtual Status remove_directory(const std::string& path) = 0;  // must be empty
  // Creations, renames and removals in the folder survive power loss after this.
  virtual Status sync_directory(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list_directory(const std::string& path) = 0;  // sorted, no "." or ".."
  virtual Result<FileInfo> info(const std::string& path) = 0;                            // not_found when missing
  virtual Result<SpaceInfo> space(const std::string& path) = 0;

  // Locks the file exclusively (created when missing) and writes this process's id in it.
  // When another process, or another handle of this one, holds it: ErrorCode::held, and
  // the message names the holder's pid.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

struct PosixOptions {
  bool io_uring = true;  // false, or a kernel without it: write queues use pwrite
  bool direct = true;    // false: FileOptions::direct is ignored
};

// The operating system's own. Thread-safe, stateless, lives as long as the process.
FileSystem& posix_file_system();
std::unique_ptr<FileSystem> make_posix_file_system(const PosixOptions& options);

// Whether write queues of posix_file_system() go through io_uring on this machine.
bool io_uring_available();

// The folder that `path` lies in; "." when that is the working directory.
std::string parent_of(const std::string& path);
// Replaces `path` with `content` so that a crash leaves the old or the new, whole: writes
// `path`.tmp, syncs it, renames it, syncs the folder.
Status write_file_atomically(FileSystem& fs, const std::string& path, Bytes content);
// Reads a whole file of at most `max_bytes`; a larger one is resource_exhausted.
Result<std::vector<std::byte>> read_file(FileSystem& fs, const std::string& path, std::uint64_t max_bytes);

}  // namespace cairn
