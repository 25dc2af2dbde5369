// SPDX-License-Identifier: Apache-2.0
//
// What a Store handle stands for: the parts of an open store, in the order in which they
// depend on each other.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "api/src/delta_news.h"
#include "cairn/store.h"
#include "engine/base/fair_mutex.h"
#include "engine/base/worker_pool.h"
#include "engine/format/store_header.h"
#include "engine/index/index.h"
#include "engine/index/replaceable_index.h"
#include "engine/io/file_system.h"
#include "engine/log/disk_room.h"
#include "engine/log/log_reader.h"
#include "engine/log/log_writer.h"
#include "engine/read/block_reader.h"
#include "engine/read/logged_parts.h"
#include "engine/read/replay.h"
#include "engine/write/write_path.h"

namespace cairn {

inline CodecChoice codec_choice(Codec codec) {
  switch (codec) {
    case Codec::none: return CodecChoice::none;
    case Codec::lz4: return CodecChoice::lz4;
    case Codec::zstd: return CodecChoice::zstd;
    case Codec::automatic: break;
  }
  return CodecChoice::automatic;
}

// Where things are in a store's folder.
struct StoreLayout {
  explicit StoreLayout(std::string root) : folder(std::move(root)) {}
  std::string folder;
  std::string header() const { return folder + "/STORE"; }
  std::string lock() const { return folder + "/LOCK"; }
  std::string log() const { return folder + "/log"; }
  std::string index() const { return folder + "/index"; }
  std::string reserve() const { return DiskRoom::reserve_path(folder); }
};

class AsyncWriter;
class Cloner;
class ExperimentTable;
class OperationTable;
class BackgroundGc;
class ReadThrough;
class RunningMirrors;

class StoreImpl {
 public:
  // The public calls of Store, on any file system.
  static Status create(FileSystem& fs, const std::string& path, const CreateOptions& options);
  static Result<std::unique_ptr<StoreImpl>> open(FileSystem& fs, const std::string& path, const StoreOptions& options,
                                                 const Progress& progress);
  static Result<std::unique_ptr<StoreImpl>> open_or_create(FileSystem& fs, const std::string& path,
                                                           const StoreOptions& options, const Progress& progress);
  static Status destroy(FileSystem& fs, const std::string& path);
  static Result<RepairReport> rebuild_index(FileSystem& fs, const std::string& path, const Progress& progress);
  static Store handle(std::unique_ptr<StoreImpl> impl);

  ~StoreImpl();
  Status close();

  FileSystem& fs() { return fs_; }
  const StoreLayout& layout() const { return layout_; }
  const StoreHeader& header() const { return header_; }
  std::uint64_t store_tag() const { return store_tag_of(header_.uuid); }
  const StoreInfo& info() const { return info_; }
  Codec codec() const { return options_.codec; }
  const MetricLogOptions& metric_options() const { return options_.metrics; }
  Index& index() { return *index_; }
  WorkerPool& pool() { return *pool_; }
  WorkerPool& readers() { return *readers_; }
  BlockReader& blocks() { return *blocks_; }
  ObjectParts& parts() { return *parts_; }
  LogReader& log_reader() { return *log_reader_; }

  // For the duration of one call that writes: an error when the store is open read-only or
  // closed. Waits for another such call.
  struct Writing {
    std::unique_lock<FairMutex> lock;
    LogWriter* log = nullptr;
  };
  Result<Writing> begin_writing();

  // The writer of objects that are put directly, begun by the first call. The same errors.
  Result<std::shared_ptr<AsyncWriter>> writer();
  // See Store::gc().
  Result<GcReport> gc(const GcOptions& options, const Progress& progress);
  // Held by one optimize() at a time: what each knows of delta blocks holds until it ends.
  std::mutex& optimizing() { return optimizing_; }
  DeltaNews& delta_news() { return delta_news_; }
  // See Store::clone(). `to` is not looked into: whether it is in the store, or a link.
  Result<CloneReport> clone(const std::string& to, const CloneOptions& options, const Progress& progress);
  // For whoever has the log's turn.
  Status apply_verdicts(IndexBatch batch);
  // Null when read-only.
  const DiskRoom* room() const { return room_.get(); }
  // Null when there is none.
  BackgroundGc* background_gc() const { return background_gc_.get(); }
  // Mirrors that are kept up to date while the store is open.
  RunningMirrors& running_mirrors() { return *running_mirrors_; }
  // Null when there is none.
  ReadThrough* read_through() const { return read_through_.get(); }
  // Before anything is read.
  void read_through_from(std::unique_ptr<ReadThrough> mirror);
  // Brings a reader up to what the writer in another process has synced by now. Costs a
  // read of 40 bytes when that is nothing new.
  Status follow();
  // What results, experiments, metrics and operations stand on, begun by the first call. The error of a
  // store that is closed, or of a child of its process.
  struct Tables;
  Result<Tables*> tables();
  Result<ExperimentTable*> experiments();
  Result<OperationTable*> operations();
  // Waits until what was put here before is committed. Not an error that some of it failed.
  void settle_puts();
  // The same of entries; the error with which they fail, if there is one.
  Status settle_tables();
  WriterStats writer_stats() const;
  // See Store::check(), Store::scrub() and Store::repair().
  Result<CheckReport> check(const CheckOptions& options, const Progress& progress);
  Result<ScrubReport> scrub(const ScrubOptions& options, const Progress& progress);
  Result<RepairReport> repair(const Progress& progress);
  // For a person; see Store::state_dump().
  std::string state_dump() const;

  // An error in a child of the process that opened the store: the threads are the parent's,
  // and so is the lock.
  Status check_usable() const;
  bool forked() const noexcept;
  // Removes the store once it is closed.
  void destroy_when_closed() { temporary_ = true; }

  std::string id_text(const Digest& digest) const { return to_text(header_.digest, digest); }

 private:
  friend class GcRun;
  StoreImpl(FileSystem& fs, std::string path, const StoreHeader& header, const StoreOptions& options);
  static Result<bool> is_store(FileSystem& fs, const StoreLayout& layout);
  Result<std::unique_ptr<Index>> open_index(bool& rebuilt);
  Status recover(const Progress& progress);
  Result<Replayed> bring_up_to_date(const Progress& progress);
  Status load_view(const Progress& progress);
  Result<std::unique_ptr<Index>> open_view(WorkerPool* pool, const Progress& progress, Replayed& replayed,
                                           bool& rebuilt);
  void note_replay(Replayed& replayed, bool rebuilt);
  void make_readers();
  Status forget_dead_objects();
  Result<std::chrono::nanoseconds> take_moment(Cloner& cloner);
  Status checkpoint_for_clone();
  Status sync_what_was_found();
  Status close_log();
  Status close_tables();
  // Results whose time is over.
  Status remove_expired();
  void note_damage(const Digest& key, const RecordLocation& at);
  // Puts into the index what reads have found damaged. For whoever has the log's turn.
  Status quarantine_what_was_found();
  Status clear_healed_deltas();

  FileSystem& fs_;
  const StoreLayout layout_;
  const StoreHeader header_;
  StoreInfo info_;
  std::unique_ptr<FileLock> lock_;  // null when read-only
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<Index> index_;
  ReplaceableIndex* view_ = nullptr;  // the same, when read-only
  std::unique_ptr<LogReader> log_reader_;
  std::unique_ptr<LoggedParts> parts_;
  std::mutex found_mutex_;
  std::vector<Verdict> found_;         // by reads, guarded by found_mutex_
  std::atomic<bool> unsaved_ = false;  // the index has verdicts since its last checkpoint
  std::unique_ptr<BlockReader> blocks_;
  std::unique_ptr<WorkerPool> readers_;  // wait for the device; after what their tasks use
  std::unique_ptr<DiskRoom> room_;       // null when read-only
  std::unique_ptr<LogWriter> log_;       // null when read-only
  FairMutex writing_;
  const StoreOptions options_;
  mutable std::mutex writer_mutex_;
  std::shared_ptr<AsyncWriter> writer_;  // guarded by writer_mutex_; calls under way keep it
  std::mutex tables_mutex_;
  std::shared_ptr<Tables> tables_;  // guarded by tables_mutex_
  std::atomic<Tables*> tables_ready_ = nullptr;
  std::mutex following_;
  std::unique_ptr<LivePositionReader> live_;  // guarded by following_; null in the writer
  const int pid_;                             // of the process that opened the store
  bool temporary_ = false;
  std::mutex reclaiming_;  // held for a whole run
  std::mutex optimizing_;  // the same
  DeltaNews delta_news_;   // for optimize()
  std::unique_ptr<BackgroundGc> background_gc_;
  std::unique_ptr<RunningMirrors> running_mirrors_;
  std::unique_ptr<ReadThrough> read_through_;  // of StoreOptions::read_through
  Position checkpointed_;                      // what the index on disk surely holds
  std::atomic<bool> closed_ = false;
};

}  // namespace cairn
