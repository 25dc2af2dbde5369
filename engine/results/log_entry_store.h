// SPDX-License-Identifier: Apache-2.0
//
// The entries of a store: accepted into memory at once, appended to the log by a thread of their
// own, and in the index once they are synced.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

#include "cairn/histogram.h"
#include "engine/base/atomic_histogram.h"
#include "engine/base/fair_mutex.h"
#include "engine/results/entry_cache.h"
#include "engine/results/entry_store.h"
#include "engine/results/store_time.h"
#include "engine/write/block_sink.h"

namespace cairn {

class TicketState;

// What is accepted during one sync shares the next. After a failure of the log everything
// pending has failed, and every later write fails; reading goes on, of what is committed.
class LogEntryStore final : public EntryStore {
 public:
  struct Parts {
    Index& index;
    LogWriter* log = nullptr;  // null: read-only
    ObjectParts& stored;
    FairMutex& turn;                                               // held by whoever writes to the log
    std::function<Status()> turn_began;                            // called with the turn, before anything else
    std::function<Status()> follow;                                // before each reading: for a reader beside a writer
    std::function<Result<std::string>(const Digest&)> read_block;  // that is committed
  };
  struct Options {
    DigestKind digest = DigestKind::blake3;
    std::uint64_t pending_bytes_max = 32 * MiB;  // accepted and not committed; see OnFull
    std::uint64_t cache_bytes = 64 * MiB;        // of the memory tier
    std::uint32_t block_bytes = MiB;             // the store's largest block
  };
  struct Stats {
    std::uint64_t accepted = 0, committed = 0, failed = 0;  // writes
    std::uint64_t refused = 0, dropped = 0;                 // for want of room
    std::uint64_t commits = 0;
    std::uint64_t pending = 0, pending_bytes = 0;
    Histogram sync_time;  // from acceptance until synced()
    EntryCacheStats cache;
  };

  LogEntryStore(const Parts& parts, const Options& options, MachineClock machine);
  ~LogEntryStore() override;  // closes
  LogEntryStore(const LogEntryStore&) = delete;
  LogEntryStore& operator=(const LogEntryStore&) = delete;

  // Once, before anything else: reads the store's clock, and begins the thread where there is a log.
  Status start(int nice);

  Result<std::optional<Entry>> find(std::string_view key) override;
  Status scan(std::string_view prefix, Order order, std::string_view from, const Visit& visit) override;
  Status scan_index(std::string_view prefix, Order order, std::string_view from, const VisitIndex& visit) override;
  Result<Written> write(std::vector<EntryChange> changes, const PutOptions& options = {}) override;
  Result<Written> commit(std::vector<EntryChange> changes, const PutOptions& options = {}) override;
  std::size_t content_bytes_max() const override { return options_.block_bytes; }
  Result<std::string> content(const Reference& reference) override;
  std::uint64_t store_time_ns() override { return time_->now_ns(); }

  // Waits until what was accepted before is committed, or has failed. The error with which
  // everything fails, if there is one.
  Status settle();
  // Takes nothing more; returns when what was accepted is committed or has failed.
  void close();
  bool writable() const noexcept { return parts_.log != nullptr; }
  Stats stats() const;
  EntryCache& cache() noexcept { return cache_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Write {
    std::vector<StoredEntry> entries;
    std::vector<std::shared_ptr<const std::string>> contents;  // what was put along
    std::uint64_t bytes = 0;
    Durability durability = Durability::grouped;
    Clock::time_point accepted;
    std::shared_ptr<TicketState> ticket;
  };
  // An entry that is accepted and not committed: what a reader of this process sees.
  struct Pending {
    std::optional<Entry> entry;  // nothing: removed
    std::uint64_t version = 0;
  };
  // Where the thread is woken; outlives the store in tickets.
  struct Bell {
    std::mutex mutex;  // of everything about the queue
    std::condition_variable rung, done;
    bool hurry = false;

    void ask() {
      {
        const std::lock_guard lock(mutex);
        hurry = true;
      }
      rung.notify_one();
    }
  };

  struct Accepted {
    Written written;
    std::uint64_t number = 0;  // in the order of acceptance
  };
  // With `lock` on the queue when it returns.
  Result<Accepted> accept(std::vector<EntryChange> changes, const PutOptions& options,
                          std::unique_lock<std::mutex>& lock);
  Status check_changes(const std::vector<EntryChange>& changes, std::uint64_t& bytes) const;
  Status make_room(std::unique_lock<std::mutex>& lock, std::uint64_t bytes, OnFull on_full);
  Status check_versions(const std::vector<EntryChange>& changes);
  bool due() const;
  void run(int nice);
  // Commits what is in the queue, for everybody; one thread at a time. `lock` is the queue's.
  void lead(std::unique_lock<std::mutex>& lock);
  // Content is in the log before what refers to it.
  static Status append_contents(BlockSink& sink, const Write& write);
  Status commit_all(std::deque<Write>& writes, std::size_t& committed);
  void settle(std::unique_lock<std::mutex>& lock, std::deque<Write>& writes, std::size_t committed,
              const Status& status);
  void note_committed(const Write& write);
  void take_back(const Write& write);
  void write_clock();
  // An error in a child of the process that opened the store: the thread is its parent's, and so are locks.
  Status check_process() const;

  const Parts parts_;
  const Options options_;
  const MachineClock machine_;
  const std::uint64_t fork_generation_;
  std::unique_ptr<StoreTime> time_;
  EntryCache cache_;

  const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
  // Guarded by bell_->mutex. The order of the queue is the order of acceptance.
  std::deque<Write> queue_;
  std::uint64_t next_version_ = 1;
  std::uint64_t accepted_through_ = 0, settled_through_ = 0;  // writes, counted
  bool leading_ = false;                                      // somebody is in lead()
  bool closed_ = false;
  std::optional<Error> error_;
  Stats stats_;

  mutable std::shared_mutex pending_mutex_;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const noexcept { return std::hash<std::string_view>()(key); }
  };
  std::unordered_map<std::string, Pending, Hash, std::equal_to<>> pending_;
  std::atomic<std::size_t> pending_entries_ = 0;  // its size: readers look first
  AtomicHistogram sync_time_;
  std::thread thread_;
};

}  // namespace cairn
