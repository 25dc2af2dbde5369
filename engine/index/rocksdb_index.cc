// SPDX-License-Identifier: Apache-2.0
#include "engine/index/rocksdb_index.h"

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "engine/index/guarded_folder.h"
#include "engine/index/rocksdb_failures.h"
#include "engine/index/rocksdb_files.h"
#include "engine/index/rocksdb_options.h"

namespace cairn {
namespace {

using rocksdb::Slice;

constexpr unsigned long kOverdueTables = 8;  // in level 0; compaction begins at 4

class RocksDbStore final : public KeyValueStore {
 public:
  RocksDbStore(cairn::FileSystem& fs, const std::string& folder, const Guard& guard, CheckedFiles checked,
               Index::Access access)
      : fs_(fs),
        path_(folder),
        access_(access),
        guard_(guard),
        folder_(fs, folder, guard, std::move(checked), access),
        env_(make_rocksdb_env(fs, folder_, failures_, written_bytes_)),
        cache_(make_index_cache()) {}

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

  Result<std::optional<KeyValue>> last_below(std::string_view prefix, std::string_view bound) override {
    const Slice upper(bound.data(), bound.size());
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options));
    at->SeekForPrev(upper);
    if (at->Valid() && at->key() == upper) at->Prev();
    if (!at->status().ok()) return failures_.explain(at->status(), "read " + path_);
    if (!at->Valid() || !at->key().ToStringView().starts_with(prefix)) return std::optional<KeyValue>();
    return std::optional(KeyValue{at->key().ToString(), at->value().ToString()});
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

  // RocksDB looks for files that are not its own when it is destroyed, and removes them: they
  // would be those of the next writer.
  void retire() override {
    if (access_ == Index::Access::read_only) return;
    rocksdb::CancelAllBackgroundWork(db_.get(), true);
    folder_.retire();
  }

  std::uint64_t memory_bytes() const override {
    std::uint64_t readers = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kEstimateTableReadersMem, &readers);
    return cache_->GetUsage() + readers;  // memtables are charged to the cache
  }
  std::uint64_t written_bytes() const override { return written_bytes_.load(std::memory_order_relaxed); }

 private:
  Status check_usable() const {
    if (!failed_) return {};
    return make_error(ErrorCode::poisoned, "index: a checkpoint of " + path_ + " failed; reopen the store");
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
  std::atomic<std::uint64_t> written_bytes_{0};
  std::unique_ptr<rocksdb::Env> env_;
  std::shared_ptr<rocksdb::Cache> cache_;
  bool changed_ = false;  // since the guard on disk
  bool failed_ = false;
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
