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
#include "engine/results/memory_only_entries.h"
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
    FairMutex& turn;                                              // held by whoever writes to the log
    std::function<Status()> turn_began;                           // called with the turn, before anything else
    std::function<Status()> follow;                               // before each reading: for a reader beside a writer
    std::function<Result<std::string>(const Digest&)> read_blob;  // that is committed
  };
  struct Options {
    DigestKind digest = DigestKind::blake3;
    std::uint64_t pending_bytes_max = 32 * MiB;  // accepted and not committed; see OnFull
    // Of the memory tier; half of it at most is for what is in memory only.
    std::uint64_t cache_bytes = 64 * MiB;
    std::uint32_t block_bytes = MiB;  // the store's largest block
  };
  struct Stats {
    std::uint64_t accepted = 0, committed = 0, failed = 0;  // writes
    std::uint64_t refused = 0, dropped = 0;                 // for want of room
    std::uint64_t commits = 0;
    std::uint64_t pending = 0, pending_bytes = 0;
    std::uint64_t waiting = 0;  // callers, until there is room for what they bring
    Histogram sync_time;        // from acceptance until synced()
    EntryCacheStats cache;
    MemoryOnlyEntries::Stats memory_only;
  };

  LogEntryStore(const Parts& parts, const Options& options, MachineClock machine);
  ~LogEntryStore() override;  // closes
  LogEntryStore(const LogEntryStore&) = delete;
  LogEntryStore& operator=(const LogEntryStore&) = delete;

  // Once, before anything else: reads the store's clock, and begins the thread where there is a log.
  Status start(int nice);

  Result<std::optional<Entry>> find(std::string_view key) override;
  Result<EntryPtr> look(std::string_view key) override;
  Status scan(std::string_view prefix, Order order, std::string_view from, const Visit& visit) override;
  Status scan_index(std::string_view prefix, Order order, std::string_view from, const VisitIndex& visit) override;
  Result<Written> write(std::vector<EntryChange> changes, const PutOptions& options = {}) override;
  Result<Written> commit(std::vector<EntryChange> changes, const PutOptions& options = {}) override;
  std::size_t content_bytes_max() const override { return kEntryContentBytesMax; }
  Result<std::string> content(const Reference& reference) override;
  bool in_background(Work work) override;
  std::uint64_t store_time_ns() override { return time_->now_ns(); }

  // With the log's turn: appends the changes, and what was accepted before them, to `sink`, the
  // changes so that after a crash they are there together with `others`, or neither. They are settled
  // when the sink is. ErrorCode::conflict when a condition does not hold: then nothing was appended.
  // After another error neither was, and what the sink has is committed, unless the log has failed.
  Status write_with(BlockSink& sink, BlockSink::Statements others, std::vector<EntryChange> changes);
  // Whether write() would take them, but for conditions and room.
  Status check(const std::vector<EntryChange>& changes) const {
    std::uint64_t bytes = 0;
    return check_changes(changes, bytes);
  }

  // Waits until what was accepted before is committed, or has failed. The error with which
  // everything fails, if there is one.
  Status settle();
  // Takes nothing more; returns when what was accepted is committed or has failed.
  void close();
  bool writable() const noexcept { return parts_.log != nullptr; }
  // Options::cache_bytes from now on.
  Status set_memory_bytes(std::uint64_t bytes);
  Stats stats() const;
  EntryCache& cache() noexcept { return cache_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Write {
    std::vector<StoredEntry> entries;
    std::vector<std::pair<Digest, std::shared_ptr<const std::string>>> contents;  // what was put along
    std::uint64_t bytes = 0, content_bytes = 0;  // all of it; of it, what is no part of a record of entries
    Durability durability = Durability::grouped;
    Clock::time_point accepted;
    std::shared_ptr<TicketState> ticket;
  };
  // An entry that is accepted and not committed: what a reader of this process sees.
  struct Pending {
    EntryPtr entry;  // null: removed
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
  // Taken from the queue, in its order.
  struct Taken {
    std::deque<Write> writes;
    std::size_t appended = 0;  // the first so many
    Status status;             // of appending the others
  };
  // With `lock` on the queue when it returns.
  Result<Accepted> accept(std::vector<EntryChange> changes, const PutOptions& options,
                          std::unique_lock<std::mutex>& lock);
  // Takes the content out of the changes, which refer to it then.
  Write write_of(const PutOptions& options, std::uint64_t bytes, std::function<void()> hurry,
                 std::vector<EntryChange>& changes) const;
  // Into the queue, whose mutex is held.
  Result<Accepted> enter(Write write, std::vector<EntryChange> changes);
  Status check_changes(const std::vector<EntryChange>& changes, std::uint64_t& bytes) const;
  Status make_room(std::unique_lock<std::mutex>& lock, std::uint64_t bytes, OnFull on_full);
  Status check_versions(const std::vector<EntryChange>& changes);
  // Whether the log has to know of it: not of what is in memory only and has nothing on the disk. With the queue's
  // mutex, and of a whole write: all of it or nothing.
  Result<bool> is_written(const EntryChange& change) const;
  Result<bool> are_written(const std::vector<EntryChange>& changes) const;
  // What is seen of it from now on, and what is to be written.
  void take(EntryChange change, bool written, std::uint64_t version, std::vector<StoredEntry>& entries);
  // With a lock of its own on pending_mutex_, after a change of what it guards.
  void note_pending();
  MemoryOnlyWalk memory_rows(std::string_view prefix, Order order, std::string_view from, bool of_index) const;
  bool due() const;
  void run(int nice);
  // Waits a moment for those who are likely to bring a write now. `lock` is the queue's.
  void gather(std::unique_lock<std::mutex>& lock);
  // Commits what is in the queue, for everybody; one thread at a time. `lock` is the queue's.
  void lead(std::unique_lock<std::mutex>& lock);
  // Content is in the log before what refers to it.
  Status append_contents(BlockSink& sink, const Write& write) const;
  Status append_content(BlockSink& sink, const std::shared_ptr<const std::string>& content, const Digest& id) const;
  // The first `count` of them.
  Status append(BlockSink& sink, Taken& taken, std::size_t count);
  // `lock` is the queue's, and locked afterwards. `committed`: of what was appended; `leads`: from lead().
  void settle(std::unique_lock<std::mutex>& lock, Taken& taken, const Status& committed, bool leads);
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
  bool has_written_ = false;                                  // so that the next opening's versions begin above
  std::uint64_t accepted_through_ = 0, settled_through_ = 0;  // writes, counted
  std::uint64_t room_asked_ = 0, room_given_ = 0;             // by callers in a row; up to a failure or the end
  bool leading_ = false;                                      // somebody is in lead()
  bool settling_ = false;                                     // and has taken what was in the queue
  std::size_t committing_ = 0;                                // threads in commit()
  std::size_t committing_most_ = 0;                           // at once, since it was last looked at
  std::size_t gathering_ = 0;                                 // so many writes are waited for; 0: by nobody
  unsigned in_vain_ = 0, pass_over_ = 0;  // gatherings one behind the other, and those to come that are not worth it
  std::condition_variable gathered_;
  bool closed_ = false;
  std::deque<Work> work_;  // for the thread when nothing is due
  std::optional<Error> error_;
  Stats stats_;

  mutable std::shared_mutex pending_mutex_;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const noexcept { return std::hash<std::string_view>()(key); }
  };
  std::unordered_map<std::string, Pending, Hash, std::equal_to<>> pending_;
  // Guarded like pending_. What is here has no entry on the disk, or one whose removal is pending.
  std::uint64_t memory_bytes_;  // of the memory tier
  std::uint64_t cache_limit_;   // of it, what memory_only_ leaves
  MemoryOnlyEntries memory_only_;
  std::atomic<std::size_t> pending_entries_ = 0;  // the size of both: readers look first
  AtomicHistogram sync_time_;
  std::thread thread_;
};

}  // namespace cairn
