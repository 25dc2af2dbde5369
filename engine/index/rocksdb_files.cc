// SPDX-License-Identifier: Apache-2.0
#include "engine/index/rocksdb_files.h"

#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>

#include <algorithm>
#include <cstring>

namespace cairn {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::string content) : content_(std::move(content)) {}
  IOStatus Read(std::size_t count, const IOOptions&, Slice* result, char* scratch, IODebugContext*) override {
    count = std::min(count, content_.size() - at_);
    std::memcpy(scratch, content_.data() + at_, count);
    *result = Slice(scratch, count);
    at_ += count;
    return IOStatus::OK();
  }
  IOStatus Skip(std::uint64_t count) override {
    at_ += std::min<std::uint64_t>(count, content_.size() - at_);
    return IOStatus::OK();
  }

 private:
  std::string content_;
  std::size_t at_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  RandomAccessFile(std::shared_ptr<File> file, Failures& failures) : file_(std::move(file)), failures_(failures) {}
  IOStatus Read(std::uint64_t offset, std::size_t count, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    const auto got = file_->read_at(offset, std::as_writable_bytes(std::span(scratch, count)));
    *result = Slice(scratch, got.ok() ? *got : 0);
    return failures_(got);
  }

 private:
  std::shared_ptr<File> file_;
  Failures& failures_;
};

// A checked CURRENT: RocksDB opens it once to see whether it can be opened.
class ContentFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit ContentFile(std::string content) : content_(std::move(content)) {}
  IOStatus Read(std::uint64_t offset, std::size_t count, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    const std::size_t from = std::min<std::uint64_t>(offset, content_.size());
    count = std::min(count, content_.size() - from);
    std::memcpy(scratch, content_.data() + from, count);
    *result = Slice(scratch, count);
    return IOStatus::OK();
  }

 private:
  std::string content_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(std::shared_ptr<File> file, bool table, Failures& failures, std::atomic<std::uint64_t>& written_bytes)
      : file_(std::move(file)), table_(table), failures_(failures), written_bytes_(written_bytes) {}
  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const Status written = file_->write_at(size_, std::as_bytes(std::span(data.data(), data.size())));
    if (written.ok()) size_ += data.size();
    written_bytes_.fetch_add(data.size(), std::memory_order_relaxed);
    return failures_(written);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    return table_ ? failures_(file_->sync()) : IOStatus::OK();  // see GuardedFolder::sync_listed
  }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  std::shared_ptr<File> file_;
  const bool table_;
  Failures& failures_;
  std::atomic<std::uint64_t>& written_bytes_;  // of all files
  std::uint64_t size_ = 0;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }  // as for files
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
};

// RocksDB's file system: translates every call to GuardedFolder's and decides nothing.
class FolderFileSystem final : public rocksdb::FileSystem {
 public:
  FolderFileSystem(cairn::FileSystem& fs, GuardedFolder& folder, Failures& failures,
                   std::atomic<std::uint64_t>& written_bytes)
      : fs_(fs), folder_(folder), failures_(failures), written_bytes_(written_bytes) {}

  const char* Name() const override { return "cairn"; }

  IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result, IODebugContext*) override {
    auto content = folder_.read_whole(path);
    if (content.ok()) *result = std::make_unique<SequentialFile>(std::move(*content));
    return failures_(content);
  }
  IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result, IODebugContext*) override {
    if (auto content = folder_.checked_content(path)) {
      *result = std::make_unique<ContentFile>(*std::move(content));
      return IOStatus::OK();
    }
    auto file = folder_.open_to_read(path);
    if (file.ok()) *result = std::make_unique<RandomAccessFile>(std::move(*file), failures_);
    return failures_(file);
  }
  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result, IODebugContext*) override {
    auto file = folder_.create(path);
    if (file.ok())
      *result = std::make_unique<WritableFile>(std::move(*file), is_table(path), failures_, written_bytes_);
    return failures_(file);
  }
  IOStatus NewDirectory(const std::string&, const IOOptions&, std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext*) override {
    *result = std::make_unique<Directory>();
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    const auto size = folder_.size(path);
    const bool missing = !size.ok() && size.error().code == ErrorCode::not_found;
    return missing ? IOStatus::NotFound(path) : failures_(size);
  }
  IOStatus GetChildren(const std::string&, const IOOptions&, std::vector<std::string>* names,
                       IODebugContext*) override {
    auto listed = folder_.list();
    if (listed.ok()) *names = std::move(*listed);
    return failures_(listed);
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, std::uint64_t* result, IODebugContext*) override {
    const auto size = folder_.size(path);
    if (size.ok()) *result = *size;
    return failures_(size);
  }
  // No decision may hang on a wall clock, so there is nothing to tell.
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, std::uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return failures_(folder_.remove(path));
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    return failures_(folder_.rename(from, to));
  }
  // The folder is ours to create and remove, and it has no folders in it.
  IOStatus CreateDir(const std::string&, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus CreateDirIfMissing(const std::string&, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return IOStatus::NotSupported(path);
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* result, IODebugContext*) override {
    const auto info = fs_.info(path);
    if (info.ok()) *result = info->is_directory;
    return failures_(info);
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* result, IODebugContext*) override {
    *result = path;
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string*, IODebugContext*) override {
    return IOStatus::NotSupported("no test directory");
  }
  // The store's own lock keeps other writers away.
  IOStatus LockFile(const std::string&, const IOOptions&, rocksdb::FileLock** lock, IODebugContext*) override {
    *lock = new rocksdb::FileLock;
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete lock;
    return IOStatus::OK();
  }

 private:
  cairn::FileSystem& fs_;
  GuardedFolder& folder_;
  Failures& failures_;
  std::atomic<std::uint64_t>& written_bytes_;
};

// After a failed flush RocksDB lets a second go by before it might try again. Here nothing
// is tried again, and whoever closes a store on a failing disk should not wait for it.
class ShortSleeps final : public rocksdb::SystemClockWrapper {
 public:
  using SystemClockWrapper::SystemClockWrapper;
  const char* Name() const override { return "ShortSleeps"; }
  void SleepForMicroseconds(int micros) override { target_->SleepForMicroseconds(std::min(micros, 2000)); }
};

class IndexEnv final : public rocksdb::EnvWrapper {
 public:
  explicit IndexEnv(const std::shared_ptr<rocksdb::FileSystem>& files) : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    file_system_ = files;
    system_clock_ = std::make_shared<ShortSleeps>(rocksdb::SystemClock::Default());
  }
  const char* Name() const override { return "IndexEnv"; }
};

}  // namespace

std::unique_ptr<rocksdb::Env> make_rocksdb_env(FileSystem& fs, GuardedFolder& folder, Failures& failures,
                                               std::atomic<std::uint64_t>& written_bytes) {
  return std::make_unique<IndexEnv>(std::make_shared<FolderFileSystem>(fs, folder, failures, written_bytes));
}

}  // namespace cairn
