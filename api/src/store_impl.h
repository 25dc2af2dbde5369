// SPDX-License-Identifier: Apache-2.0
//
// What a Store handle stands for: the parts of an open store, in the order in which they
// depend on each other.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "cairn/store.h"
#include "engine/base/worker_pool.h"
#include "engine/format/store_header.h"
#include "engine/index/index.h"
#include "engine/io/file_system.h"
#include "engine/log/log_reader.h"
#include "engine/log/log_writer.h"
#include "engine/read/block_reader.h"
#include "engine/write/write_path.h"

namespace cairn {

// Where things are in a store's folder.
struct StoreLayout {
  explicit StoreLayout(std::string root) : folder(std::move(root)) {}
  std::string folder;
  std::string header() const { return folder + "/STORE"; }
  std::string lock() const { return folder + "/LOCK"; }
  std::string log() const { return folder + "/log"; }
  std::string index() const { return folder + "/index"; }
};

class StoreImpl {
 public:
  // The public calls of Store, on any file system.
  static Status create(FileSystem& fs, const std::string& path, const CreateOptions& options);
  static Result<std::unique_ptr<StoreImpl>> open(FileSystem& fs, const std::string& path, const StoreOptions& options,
                                                 const Progress& progress);
  static Result<RepairReport> rebuild_index(FileSystem& fs, const std::string& path, const Progress& progress);
  static Store handle(std::unique_ptr<StoreImpl> impl);

  ~StoreImpl();
  Status close();

  FileSystem& fs() { return fs_; }
  const StoreLayout& layout() const { return layout_; }
  const StoreHeader& header() const { return header_; }
  const StoreInfo& info() const { return info_; }
  Index& index() { return *index_; }
  WorkerPool& pool() { return *pool_; }
  WorkerPool& readers() { return *readers_; }
  BlockReader& blocks() { return *blocks_; }

  // For the duration of one call that writes: an error when the store is open read-only or
  // closed. Waits for another such call.
  struct Writing {
    std::unique_lock<std::mutex> lock;
    LogWriter* log = nullptr;
  };
  Result<Writing> begin_writing();

  std::string id_text(const Digest& digest) const { return to_text(header_.digest, digest); }

 private:
  StoreImpl(FileSystem& fs, std::string path, const StoreHeader& header, unsigned threads);
  Status open_index(Access access, const Progress& progress);
  Status recover(const Progress& progress);
  Status sync_what_was_found();

  FileSystem& fs_;
  const StoreLayout layout_;
  const StoreHeader header_;
  StoreInfo info_;
  std::unique_ptr<FileLock> lock_;  // null when read-only
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<Index> index_;
  std::unique_ptr<LogReader> log_reader_;
  std::unique_ptr<BlockReader> blocks_;
  std::unique_ptr<WorkerPool> readers_;  // wait for the device; after what their tasks use
  std::unique_ptr<LogWriter> log_;       // null when read-only
  std::mutex writing_;
  Position checkpointed_;  // what the index on disk surely holds
  bool closed_ = false;
};

}  // namespace cairn
