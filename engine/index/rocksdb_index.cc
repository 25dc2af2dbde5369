// SPDX-License-Identifier: Apache-2.0
//
// The only source file that includes RocksDB: its file system, its options, and its errors
// are translated here and nowhere else.
#include "engine/index/rocksdb_index.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/system_clock.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "engine/base/errors.h"
#include "engine/index/guarded_folder.h"
#include "engine/index/unobserved.h"

namespace cairn {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// All that the index keeps of its tables and memtables in memory, whatever its size.
constexpr std::size_t kCacheBytes = 32 * MiB;
constexpr std::size_t kMemtableBytes = 8 * MiB;       // one memtable: a table of 100,000 blocks
constexpr std::size_t kMemtablesBytesMax = 16 * MiB;  // all of them, charged to the cache
constexpr std::size_t kManifestBytesMax = 1 * MiB;    // each checkpoint reads it once
constexpr unsigned long kOverdueTables = 8;           // in level 0; compaction begins at 4
constexpr std::uint64_t kMergedBytesMin = 1 * MiB;    // below it nothing is won by merging
constexpr std::uint64_t kLookBytes = 1 * MiB;         // a merge writes no more between two looks at the disk

// Translates our errors to RocksDB's, and remembers the latest: on its way through RocksDB
// an error may lose its kind (an EIO can come out as an invalid argument). Any thread.
class Failures {
 public:
  IOStatus operator()(const Status& status) {
    if (status.ok()) return IOStatus::OK();
    const Error& error = status.error();
    if (error.code == ErrorCode::not_found) return IOStatus::PathNotFound(error.message);
    const std::lock_guard lock(mutex_);
    latest_ = error;
    return error.code == ErrorCode::no_space ? IOStatus::NoSpace(error.message) : IOStatus::IOError(error.message);
  }
  template <class T>
  IOStatus operator()(const Result<T>& result) {
    return result.ok() ? IOStatus::OK() : (*this)(Status(result.error()));
  }
  // What has failed is made good: it explains nothing that fails later.
  void forget() {
    const std::lock_guard lock(mutex_);
    latest_.reset();
  }
  // What `status`, which is not ok, is to our callers.
  Error explain(const rocksdb::Status& status, const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (!status.IsCorruption() && latest_) return Error(*latest_).with_context("index: " + what);
    const bool passing = status.IsBusy() || status.IsAborted() || status.IsTimedOut() || status.IsShutdownInProgress();
    return make_error(passing ? ErrorCode::io : ErrorCode::corruption, "index: " + what + ": " + status.ToString());
  }

 private:
  std::mutex mutex_;
  std::optional<Error> latest_;
};

// What is written to the folder. While tables are merged, whether the disk has room for more of it, whoever takes it
// meanwhile: a table that finds none may end all writing. Any thread.
class Written {
 public:
  Written(cairn::FileSystem& fs, std::string folder) : fs_(fs), folder_(std::move(folder)) {}

  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  void add(std::uint64_t bytes) {
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    if (!merging_ || unseen_.fetch_add(bytes) + bytes < kLookBytes) return;
    unseen_ = 0;
    const auto space = fs_.space(folder_);
    if (!space.ok() || space->available_bytes < kept_bytes_) cancel();
  }

  // The disk is to have `room_bytes` less than now, and no fewer, when it ends. One merge at a time.
  bool begin_merge(std::uint64_t room_bytes) {
    const auto space = fs_.space(folder_);
    if (!space.ok() || space->available_bytes < room_bytes) return false;
    kept_bytes_ = space->available_bytes - room_bytes;
    unseen_ = 0;
    cancelled_ = false;
    merging_ = true;
    return true;
  }
  void end_merge() { merging_ = false; }
  void cancel() { cancelled_ = true; }
  // Of a merge that is to end early.
  std::atomic<bool>* cancelled() { return &cancelled_; }

 private:
  cairn::FileSystem& fs_;
  const std::string folder_;
  std::atomic<std::uint64_t> bytes_ = 0, unseen_ = 0, kept_bytes_ = 0;
  std::atomic<bool> merging_ = false, cancelled_ = false;
};

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
  WritableFile(std::shared_ptr<File> file, bool table, Failures& failures, Written& written)
      : file_(std::move(file)), table_(table), failures_(failures), written_(written) {}
  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const Status written = file_->write_at(size_, std::as_bytes(std::span(data.data(), data.size())));
    if (written.ok()) size_ += data.size();
    written_.add(data.size());
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
  Written& written_;  // of all files
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
  FolderFileSystem(cairn::FileSystem& fs, GuardedFolder& folder, Failures& failures, Written& written)
      : fs_(fs), folder_(folder), failures_(failures), written_(written) {}

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
    if (file.ok()) *result = std::make_unique<WritableFile>(std::move(*file), is_table(path), failures_, written_);
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
  Written& written_;
};

// After a failed flush RocksDB lets a second go by before it might try again. Here nothing
// is tried again, and whoever closes a store on a failing disk should not wait for it.
class ShortSleeps final : public rocksdb::SystemClockWrapper {
 public:
  using SystemClockWrapper::SystemClockWrapper;
  const char* Name() const override { return "ShortSleeps"; }
  void SleepForMicroseconds(int micros) override { target_->SleepForMicroseconds(std::min(micros, 2000)); }
};

// What RocksDB has for an operating system: our files, our clock, its own threads.
class IndexEnv final : public rocksdb::EnvWrapper {
 public:
  explicit IndexEnv(const std::shared_ptr<rocksdb::FileSystem>& files) : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    file_system_ = files;
    system_clock_ = std::make_shared<ShortSleeps>(rocksdb::SystemClock::Default());
  }
  const char* Name() const override { return "IndexEnv"; }
};

// RocksDB's diary for its own developers; what concerns a user is in the errors.
class NoLog final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::Options index_options(rocksdb::Env* env, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  // Everything that grows with the number of keys is in partitions that come and go in
  // the cache; only the top of each table's index stays.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.cache_index_and_filter_blocks = true;
  table.filter_policy.reset(rocksdb::NewRibbonFilterPolicy(10));

  rocksdb::Options options;
  options.env = env;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_manager = std::make_shared<rocksdb::WriteBufferManager>(kMemtablesBytesMax, cache);
  options.write_buffer_size = kMemtableBytes;
  // Most lookups are for what is not there: a filter answers them without a search.
  options.memtable_prefix_bloom_size_ratio = 0.05;
  options.memtable_whole_key_filtering = true;
  options.max_write_buffer_number = 3;
  options.paranoid_checks = true;
  options.compression = rocksdb::kNoCompression;  // digests do not compress
  options.level_compaction_dynamic_level_bytes = true;
  options.max_background_jobs = 2;
  // Every table is opened once and stays open: a reader outlives the file's name.
  options.max_open_files = -1;
  options.max_file_opening_threads = 2;
  options.skip_stats_update_on_db_open = true;
  options.max_manifest_file_size = kManifestBytesMax;
  options.avoid_flush_during_shutdown = true;
  // A failed sync is final: no retry behind our back.
  options.max_bgerror_resume_count = 0;
  // No wall clock decides what is compacted.
  options.ttl = 0;
  options.periodic_compaction_seconds = 0;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log = std::make_shared<NoLog>();
  return options;
}

class RocksDbStore final : public KeyValueStore {
 public:
  RocksDbStore(cairn::FileSystem& fs, const std::string& folder, const Guard& guard, CheckedFiles checked,
               Index::Access access)
      : fs_(fs),
        path_(folder),
        access_(access),
        guard_(guard),
        folder_(fs, folder, guard, std::move(checked), access),
        written_(fs, folder),
        env_(std::make_unique<IndexEnv>(std::make_shared<FolderFileSystem>(fs, folder_, failures_, written_))),
        cache_(rocksdb::NewLRUCache(kCacheBytes)) {}

  Status open() {
    rocksdb::Options options = index_options(env_.get(), cache_);
    rocksdb::DB* db = nullptr;
    rocksdb::Status status;
    if (access_ == Index::Access::read_only) {
      status = rocksdb::DB::OpenForReadOnly(options, path_, &db);
    } else {
      options.create_if_missing = guard_.nothing_durable();
      status = rocksdb::DB::Open(options, path_, &db);
    }
    db_.reset(db);
    if (!status.ok()) return failures_.explain(status, "open " + path_);
    // A read-only database never returns to the folder: a writer may be changing it.
    if (access_ == Index::Access::read_write) folder_.release_checked();
    return {};
  }

  Result<std::optional<std::string>> get(std::string_view key) override {
    const Unobserved call;
    std::string value;
    const rocksdb::Status status = db_->Get({}, Slice(key.data(), key.size()), &value);
    if (status.IsNotFound()) return std::optional<std::string>();
    if (!status.ok()) return failures_.explain(status, "read " + path_);
    return std::optional(std::move(value));
  }

  Status scan(std::string_view prefix, std::string_view from, const Visit& visit) override {
    rocksdb::ReadOptions options;
    options.fill_cache = false;  // a walk over everything would push out what lookups need
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options));
    const std::string_view start = std::max(prefix, from);
    for (at->Seek(Slice(start.data(), start.size())); at->Valid(); at->Next()) {
      const std::string_view key = at->key().ToStringView();
      if (!key.starts_with(prefix)) break;
      CAIRN_TRY(const bool more, visit(key, at->value().ToStringView()));
      if (!more) return {};
    }
    if (!at->status().ok()) return failures_.explain(at->status(), "walk " + path_);
    return {};
  }

  // What is asked for from above is the latest or the best of something, and asked for again:
  // unlike scan(), it stays in the cache.
  Status scan_below(std::string_view prefix, std::string_view bound, const Visit& visit) override {
    const std::string end = end_below(prefix, bound);
    if (!end.empty() && end <= prefix) return {};
    const Slice lower(prefix.data(), prefix.size()), upper(end);
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &lower;
    if (!end.empty()) options.iterate_upper_bound = &upper;
    std::unique_ptr<rocksdb::Iterator> at;
    {
      const Unobserved call;
      at.reset(db_->NewIterator(options));
      at->SeekToLast();
    }
    while (at->Valid() && at->key().starts_with(lower)) {
      CAIRN_TRY(const bool more, visit(at->key().ToStringView(), at->value().ToStringView()));
      if (!more) return {};
      const Unobserved call;
      at->Prev();
    }
    if (!at->status().ok()) return failures_.explain(at->status(), "walk " + path_);
    return {};
  }

  Status write(const KeyValueChanges& changes) override {
    CAIRN_CHECK(check_usable());
    rocksdb::WriteBatch batch;
    for (const auto& [key, value] : changes) {
      const rocksdb::Status added = value ? batch.Put(key, *value) : batch.Delete(key);
      if (!added.ok()) return failures_.explain(added, "write " + path_);
    }
    changed_ = true;
    rocksdb::WriteOptions options;
    options.disableWAL = true;  // the store's log is the write-ahead log
    const Unobserved call;
    const rocksdb::Status status = db_->Write(options, &batch);
    return status.ok() ? Status() : Status(failures_.explain(status, "write " + path_));
  }

  Status checkpoint(Position applied) override {
    CAIRN_CHECK(check_usable());
    if (!changed_) return {};
    folder_.keep_all();
    if (Status done = flush_and_guard(applied); !done.ok()) {
      // Which guard is on disk is unknown now, so the files of both stay.
      failed_ = true;
      return done;
    }
    folder_.keep_only(guard_);
    changed_ = false;
    return {};
  }

  // A table that finds no room when it is written would end all writing: what is not clearly there is not used. What
  // is in memory becomes a table first; and what goes through more than one level may be there twice.
  Result<bool> merge(std::string_view from, std::string_view end, std::uint64_t room_bytes) override {
    CAIRN_CHECK(check_usable());
    const Slice first(from.data(), from.size()), behind(end.data(), end.size());
    const rocksdb::Range range(first, behind);
    std::uint64_t bytes = 0;
    const rocksdb::Status sized = db_->GetApproximateSizes({}, db_->DefaultColumnFamily(), &range, 1, &bytes);
    if (!sized.ok()) return failures_.explain(sized, "measure " + path_);
    std::uint64_t all_bytes = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kLiveSstFilesSize, &all_bytes);
    if (bytes < kMergedBytesMin || room_bytes < 2 * all_bytes + kMemtablesBytesMax) return false;
    CAIRN_TRY(const bool worth, is_worth_merging(range));
    if (!worth || !written_.begin_merge(room_bytes)) return false;
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.canceled = written_.cancelled();
    changed_ = true;
    const rocksdb::Status merged = db_->CompactRange(options, &first, &behind);
    written_.end_merge();
    if (merged.ok()) return true;
    if (!merged.IsIncomplete()) return after_failed_merge(merged);
    // Cancelled: RocksDB looks for the tables that came of it when its files may be removed again.
    if (db_->DisableFileDeletions().ok()) static_cast<void>(db_->EnableFileDeletions(false).ok());
    return false;
  }

  // RocksDB looks for files that are not its own when it is destroyed, and removes them: they
  // would be those of the next writer.
  void retire() override {
    if (access_ == Index::Access::read_only) return;
    written_.cancel();
    rocksdb::CancelAllBackgroundWork(db_.get(), true);
    folder_.retire();
  }

  std::uint64_t memory_bytes() const override {
    std::uint64_t readers = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kEstimateTableReadersMem, &readers);
    return cache_->GetUsage() + readers;  // memtables are charged to the cache
  }
  std::uint64_t written_bytes() const override { return written_.bytes(); }

 private:
  Status check_usable() const {
    if (!failed_) return {};
    return make_error(ErrorCode::poisoned, "index: a checkpoint of " + path_ + " failed; reopen the store");
  }

  // RocksDB writes nothing more once a table has found no room, until it is told to go on.
  Error after_failed_merge(const rocksdb::Status& merged) {
    Error error = failures_.explain(merged, "merge " + path_);
    if (db_->Resume().ok()) {
      failures_.forget();
      return error;
    }
    failed_ = true;
    error.code = ErrorCode::poisoned;
    return error;
  }

  // A background flush or compaction may come between any two of these lines: RocksDB
  // then adds files and lengthens the MANIFEST, and the state we name here stays whole.
  Status flush_and_guard(Position applied) {
    const rocksdb::Status flushed = db_->Flush({});
    if (!flushed.ok()) return failures_.explain(flushed, "flush " + path_);
    wait_for_overdue_compaction();
    std::vector<std::string> live;
    std::uint64_t manifest_bytes = 0;
    const rocksdb::Status listed = db_->GetLiveFiles(live, &manifest_bytes, false);
    if (!listed.ok()) return failures_.explain(listed, "list the files of " + path_);

    Guard next{.applied = applied, .manifest = {}, .files = {}};
    CAIRN_TRY(const auto identity_info, fs_.info(path_ + "/IDENTITY"));
    CAIRN_TRY(next.files.emplace_back(), describe_prefix(fs_, path_, "IDENTITY", identity_info.size));
    for (const std::string& path : live) {
      const std::string name = path.substr(path.find_last_of('/') + 1);
      if (name.starts_with("MANIFEST-")) {
        next.manifest = name;
        CAIRN_TRY(next.files.emplace_back(), describe_prefix(fs_, path_, name, manifest_bytes));
      } else if (is_table(name)) {
        CAIRN_TRY(next.files.emplace_back(), describe_new_table(name));
      }
    }
    CAIRN_CHECK(folder_.sync_listed(next));
    CAIRN_CHECK(write_guard(fs_, path_, next));
    guard_ = std::move(next);
    return {};
  }

  // Whether an eighth of what the tables say of a range, or more, is that something is gone, or lies above the last
  // level, where it says again what is there below.
  Result<bool> is_worth_merging(const rocksdb::Range& range) {
    rocksdb::TablePropertiesCollection tables;
    const rocksdb::Status read = db_->GetPropertiesOfTablesInRange(db_->DefaultColumnFamily(), &range, 1, &tables);
    if (!read.ok()) return failures_.explain(read, "look at the tables of " + path_);
    std::uint64_t entries = 0, deletions = 0, bytes = 0, live_bytes = 0;
    for (const auto& [name, table] : tables) {
      entries += table->num_entries;
      deletions += table->num_deletions;
    }
    db_->GetIntProperty(rocksdb::DB::Properties::kLiveSstFilesSize, &bytes);
    db_->GetIntProperty(rocksdb::DB::Properties::kEstimateLiveDataSize, &live_bytes);
    return deletions * 8 >= entries || live_bytes < bytes - bytes / 8;
  }

  // A compaction that ends after the last checkpoint of a process is not in the guard and
  // will be done again. Many short processes would never get one done, were it not for
  // this; in a long one it is rare that the background falls so far behind.
  void wait_for_overdue_compaction() {
    const auto overdue = [this] {
      std::string level0;
      std::uint64_t errors = 0;
      db_->GetProperty(rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0", &level0);
      db_->GetIntProperty(rocksdb::DB::Properties::kBackgroundErrors, &errors);
      return errors == 0 && std::strtoul(level0.c_str(), nullptr, 10) >= kOverdueTables;
    };
    while (overdue()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  // Tables never change, so what the last guard says of one is still true.
  Result<GuardedFile> describe_new_table(const std::string& name) {
    for (const GuardedFile& known : guard_.files) {
      if (known.name == name) return known;
    }
    return describe_table(fs_, path_, name);
  }

  cairn::FileSystem& fs_;
  const std::string path_;
  const Index::Access access_;
  Guard guard_;  // the one on disk
  GuardedFolder folder_;
  Failures failures_;
  Written written_;
  std::unique_ptr<rocksdb::Env> env_;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::atomic<bool> changed_ = false;  // since the guard on disk
  std::atomic<bool> failed_ = false;
  std::unique_ptr<rocksdb::DB> db_;  // last: it uses all of the above until it is closed
};

}  // namespace

Result<std::unique_ptr<KeyValueStore>> open_rocksdb(FileSystem& fs, const std::string& folder, const Guard& guard,
                                                    CheckedFiles checked, Index::Access access) {
  auto store = std::make_unique<RocksDbStore>(fs, folder, guard, std::move(checked), access);
  CAIRN_CHECK(store->open());
  return std::unique_ptr<KeyValueStore>(std::move(store));
}

}  // namespace cairn
