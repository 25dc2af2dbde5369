// SPDX-License-Identifier: Apache-2.0
//
// A store: a folder with one log and an index of it (docs/architecture.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/archive.h"
#include "cairn/checkpoints.h"
#include "cairn/deltas.h"
#include "cairn/digest.h"
#include "cairn/experiments.h"
#include "cairn/metrics.h"
#include "cairn/mirrors.h"
#include "cairn/objects.h"
#include "cairn/operations.h"
#include "cairn/progress.h"
#include "cairn/result.h"
#include "cairn/results.h"
#include "cairn/ticket.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

struct CreateOptions {
  DigestKind digest = DigestKind::blake3;
  // The unit of deduplication, verification and parallelism: a power of two, 64 KiB to 16 MiB.
  std::uint32_t block_bytes = 1024 * 1024;
  // A log file is sealed and a new one begun at this size: 16 × block_bytes to 16 GiB.
  std::uint64_t segment_bytes = 256ull * 1024 * 1024;
};

enum class Access : std::uint8_t { read_write, read_only };

// What Store::open does when there is no store, or one.
enum class OpenMode : std::uint8_t {
  existing,   // it must be there
  create,     // made when it is missing (needs read_write)
  exclusive,  // made; ErrorCode::already_exists when it is there (needs read_write)
};

// How space is given back while a store is open, in a thread of the store's own: as gc() does
// it, in steps of at most about 50 ms of the log's time, with as long a rest after each.
struct ReclaimOptions {
  // Live content is copied when more than this share of the log is dead, until it is less: what
  // stays is at most max_dead / (1 - max_dead) of what is live. The smaller, the more is copied.
  // Files of the log with nothing live in them go whatever the share is.
  double max_dead = 0.2;
  // Less than this is not worth it.
  std::uint64_t min_dead_bytes = 16ull * 1024 * 1024;
  // Of live content that is copied. 0: no limit.
  std::uint64_t bytes_per_second = 0;
  // How often it looks whether there is something to do: 1 ms to a day.
  std::chrono::milliseconds interval{200};
  // A share of StoreOptions::disk_budget_bytes, above 0 and up to 1. While the store takes more than
  // that, what is dead is given back from a 64th of the budget on, or from min_dead_bytes if that is
  // less, however much live content has to be copied for it (but no faster than bytes_per_second). Means nothing
  // without a budget.
  double low_water = 0.8;
};

struct StoreOptions {
  Access access = Access::read_write;
  OpenMode mode = OpenMode::existing;
  CreateOptions create = {};  // for a store that open() makes
  // Threads that digest, encode, read and decode. 0: one per processor.
  unsigned threads = 0;
  // Added to the niceness of these threads and the writer's (see nice(2)), 0 to 19.
  int nice = 0;
  // How blocks of objects that are put directly are encoded.
  Codec codec = Codec::automatic;
  WriterOptions writer = {};
  // Of small values that are read again (results, experiments): the memory that keeps them at hand.
  std::uint64_t memory_cache_bytes = 64ull * 1024 * 1024;
  // Of results, experiments, operations and metrics that are accepted and not yet committed; see OnFull. What is
  // larger is let in when nothing else is pending.
  std::uint64_t results_pending_bytes = 32ull * 1024 * 1024;
  MetricLogOptions metrics = {};
  // Nothing: only gc() gives space back. Needs read_write.
  std::optional<ReclaimOptions> reclaim = {};
  // Bytes of the disk that the store's folder takes at most; 0: no limit. A file of the log that
  // would go beyond is not begun: writes fail as on a full disk (ErrorCode::no_space, retryable), and
  // are taken again once there is room. Removing and reclaiming go on: the disk holds at most the budget,
  // two files of the log (CreateOptions::segment_bytes) that these begin, and what the index has grown
  // since a file was last begun. At least four files of the log and the reserve.
  std::uint64_t disk_budget_bytes = 0;
  // Kept in the file "reserve", so that removing and reclaiming find room on a disk that is full
  // (docs/durability.md, "A full disk"): it is given up for them, writes fail with ErrorCode::no_space
  // until it is whole again, and it is made again as soon as there is room. Part of what the store takes.
  // 0: none, also not one that is there. Nothing: that one; or segment_bytes and a quarter, between 4 and
  // 64 MiB, once the store takes 32 times as much, or eight times where the disk has no more than that left.
  std::optional<std::uint64_t> reserve_bytes = {};
  // The name of a mirror (cairn/mirrors.h), or of one of each kind with a comma between. Of a bucket: what is asked for
  // by name, or by id where it was put directly, and is not here, is looked for in what other stores have there; it is
  // fetched, verified and kept; others who write wait. Of a database: results, see Results::get(). What it does not
  // have either is not asked for again for ten seconds. Empty: none. Needs read_write.
  std::string read_through = {};
};

// What opening had to do.
struct RecoveryReport {
  std::uint64_t records_replayed = 0;  // the index was behind the log by so many
  std::uint64_t torn_bytes = 0;        // cut from the log's tail: a write that never finished
  bool index_rebuilt = false;          // the index was missing or in doubt
  std::vector<std::string> damage;     // places in the log that are damaged; see check()
};

struct StoreInfo {
  std::string path;
  DigestKind digest = DigestKind::blake3;
  std::uint32_t format_version = 0;
  std::uint32_t block_bytes = 0;
  std::uint64_t segment_bytes = 0;
  RecoveryReport recovery;
};

struct StoreStats {
  std::uint64_t logical_bytes = 0;      // what all versions of all names hold
  std::uint64_t unique_bytes = 0;       // of distinct blocks, before compression
  std::uint64_t stored_bytes = 0;       // of distinct blocks, as encoded
  std::uint64_t disk_bytes = 0;         // what the folder takes on the disk
  std::uint64_t log_bytes = 0;          // of that, the log's segments
  std::uint64_t reserve_bytes = 0;      // of that, StoreOptions::reserve_bytes
  std::uint64_t disk_budget_bytes = 0;  // of this handle; 0: none
  std::uint64_t dead_bytes = 0;         // of the log, what no name and no object needs: see gc()
  std::uint64_t index_memory_bytes = 0;
  std::uint64_t refs = 0, snapshots = 0, trees = 0, states = 0, models = 0, tensors = 0, blobs = 0, blocks = 0,
                segments = 0, deltas = 0;
  std::uint64_t objects = 0;       // that were put directly, and deltas
  std::uint64_t object_bytes = 0;  // what they hold, before deduplication; not in logical_bytes
  std::map<std::string, std::uint64_t> blocks_by_codec;
};

struct CheckOptions {
  // Read and verify the content of every block, not only records and references.
  bool read_data = false;
  // With read_data: only blocks whose digest falls in share `subset` (1 to `of`).
  unsigned subset = 1, of = 1;
};

struct Damage {
  std::string what;  // what is wrong, and where: file and offset
  std::string id;    // of the block or object, or empty
  // What cannot be read whole: name@version:path of a file, or the id of an object that was
  // put directly, followed by its name in brackets when it has one.
  std::vector<std::string> affected;
};

struct CheckReport {
  std::uint64_t blocks_checked = 0, objects_checked = 0, bytes_read = 0;
  std::vector<Damage> damaged;  // empty: everything is whole
};

struct GcOptions {
  // The share of the log that may stay dead, 0 to 1: less dead than that is not worth moving
  // what is live beside it. 0: nothing dead stays.
  double max_dead = 0.05;
  // Says what would be done, and does nothing.
  bool dry_run = false;
};

struct GcReport {
  std::uint64_t freed_bytes = 0;     // of the disk, of the log's files that were removed
  std::uint64_t moved_bytes = 0;     // live content that was copied out of them
  std::uint64_t dead_bytes = 0;      // that are left in the log; with dry_run, that are there now
  std::uint64_t segments = 0;        // files that were removed
  std::vector<std::string> damaged;  // files that were left alone, and why
};

struct OptimizeOptions {
  // automatic: a block of a tensor may become the difference from that in a newer version of the
  // same name, or, in the newest version, from that of a similar tensor under a name that is older, where that is
  // smaller. none: no block becomes one, and those that are become whole.
  enum class Base : std::uint8_t { automatic, none };

  std::string name;  // NAME or NAME@VERSION: the blocks of these versions alone; empty: all that are live
  int level = 12;    // of zstd, 1 to 19: the higher, the slower to write and the smaller
  Base base = Base::automatic;
  std::uint64_t bytes_per_second = 0;  // read at most so fast; 0: no limit
  bool dry_run = false;                // reads and encodes, and writes nothing
};

struct OptimizeReport {
  std::uint64_t blocks = 0, rewritten_blocks = 0;
  std::uint64_t delta_blocks = 0;                   // of those rewritten, that are the difference from others now
  std::uint64_t before_bytes = 0, after_bytes = 0;  // of all these blocks, as encoded
  std::vector<std::string> damaged;                 // ids of blocks that were left alone
};

struct CloneOptions {
  // Copies every file, though it could be shared: for a second copy that damage to the first
  // one's place on the disk does not reach.
  bool copy = false;
};

struct CloneReport {
  std::uint64_t segments = 0;      // files of the log
  std::uint64_t linked_bytes = 0;  // of files that the clone shares with the store, by hard link or reflink
  std::uint64_t copied_bytes = 0;
  // False when the store's own index was missing or in doubt: opening the clone builds one.
  bool index = false;
  // How long nobody else could write to the store, if this handle may.
  std::chrono::nanoseconds held{0};
};

// Of StoreOptions::reclaim, since the store was opened.
struct ReclaimStats {
  std::uint64_t runs = 0;
  std::uint64_t freed_bytes = 0, moved_bytes = 0, segments = 0;  // as in GcReport
  std::chrono::nanoseconds longest_step{0};                      // of the log's time, waiting for it included
  std::uint64_t failures = 0;                                    // runs that ended early
  std::string error;                                             // of the last one; empty after a run that ended well
  std::vector<std::string> damaged;                              // as in GcReport, of the latest run
  bool paused = false;
};

struct RepairReport {
  std::uint64_t records_replayed = 0;  // by rebuild_index()
  // Blocks, objects and names that were written again, from another whole copy.
  std::uint64_t blocks_repaired = 0;
  // Blocks and objects that are damaged; or, of rebuild_index(), damaged places in the log
  // that were left out of the index.
  std::uint64_t quarantined = 0;
  std::vector<std::string> damage;  // such places
  std::vector<Damage> damaged;      // what check() says after repair()
};

struct ScrubOptions {
  std::uint64_t bytes_per_second = 0;  // read at most so fast; 0: no limit
  // No further file of the log is begun once so much was read, or so long has passed. 0: no limit.
  std::uint64_t max_bytes = 0;
  double max_seconds = 0;
};

struct ScrubReport {
  std::uint64_t bytes_read = 0, records = 0;
  std::uint64_t segments = 0;       // files of the log that were verified to their ends
  std::uint64_t segments_left = 0;  // that the limits left for the next call
  // When the file that has waited longest was verified, in ns since 1970; 0: one never was.
  std::int64_t oldest_ns = 0;
  std::uint64_t quarantined = 0;  // blocks and objects that are damaged, whoever found them
  std::vector<Damage> damaged;    // what check() says of them, when there are any
};

// A handle; movable, and then good for nothing but assignment and destruction. Closing is automatic, but only close()
// can tell of a failure. After an error of a write with ErrorCode::poisoned the store must be closed and opened again;
// reading goes on.
class Store {
 public:
  // Makes a store in `path`: a folder that is missing or empty.
  static Result<Store> create(const std::string& path, const CreateOptions& options = {});
  // Opens one, and brings the index up to date with the log. Folders above `path` are there
  // already. ErrorCode::no_store when the
  // folder holds none, held (with the holder's pid) when another process writes to it,
  // unsupported when a newer version of Cairn made it.
  static Result<Store> open(const std::string& path, const StoreOptions& options = {}, const Progress& progress = {});
  // A new store in a folder of its own below `parent` (empty: the system's folder for
  // temporary files), which is removed when the handle is closed or destroyed.
  static Result<Store> temporary(const std::string& parent = {}, const StoreOptions& options = {});
  // Removes the store in `path`, with everything in it, and the folder when nothing else is
  // in it. ErrorCode::no_store when there is none: nothing is removed then; held when a
  // process writes to it.
  static Status destroy(const std::string& path);
  // Rebuilds the index of the store in `path` from the log alone.
  static Result<RepairReport> rebuild_index(const std::string& path, const Progress& progress = {});

  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  // Waits for what was put, syncs the log, makes the index durable, trims preallocated
  // space, lets others in. The error of a put is in its ticket, not here. Writing through the
  // handle fails from then on; reading goes on.
  Status close();

  // --- Objects put directly (cairn/objects.h). Any number of threads. ---
  //
  // A put that was accepted is found by every later call of this handle: one that does not
  // find an id waits until what was put before is committed. What is new about content that
  // is there already, a name or attributes, is there once it is committed.

  // Takes the value and returns at once; see Ticket. Of puts that were only accepted, a
  // crash takes a suffix: the order of acceptance holds among small values and among
  // others. What the call got wrong is in the ticket too.
  Ticket put_async(Put put, const PutOptions& options = {});
  // All of them or, after a crash, none. One ticket for all; its id() is the first's.
  Ticket put_many_async(std::vector<Put> puts, const PutOptions& options = {});
  // The same, and waits until they are committed, or have failed, and no memory of theirs
  // is in use. Returns the ids.
  Result<std::string> put(Put put);
  Result<std::vector<std::string>> put_many(std::vector<Put> puts);
  // Everything accepted before is committed, or its ticket has failed.
  Status sync();
  // Takes the writer's memory and starts its thread now rather than with the first put.
  Status warm_up();
  WriterStats writer_stats() const;
  // The same in the text exposition format of Prometheus, names beginning with cairn_,
  // seconds and bytes. Never waits for the disk or for another call.
  std::string metrics_text() const;
  // What a person wants to see when something seems stuck: what is pending and since when,
  // who waits for what, how far the log is. Never waits either. Its form may change.
  std::string state_dump() const;

  // The content, verified. not_found when no such object was put, or it was removed. invalid_argument for a
  // delta, which Deltas::load() loads.
  Result<std::vector<std::byte>> get(const std::string& id);
  // `into` has the object's exact size. On failure it holds rubbish.
  Status get_into(const std::string& id, std::span<std::byte> into);
  // Reads only the blocks that hold [offset, offset + into.size()), which lie in the object.
  Status get_range(const std::string& id, std::uint64_t offset, std::span<std::byte> into);
  // Those that are there, by id.
  Result<std::map<std::string, std::vector<std::byte>>> get_many(const std::vector<std::string>& ids);
  // Elements begin[d] to end[d] (exclusive) of each dimension, row-major and contiguous.
  // Reads only the blocks that hold them. Elements have whole bytes.
  Result<std::vector<std::byte>> get_slice(const std::string& id, const std::vector<std::uint64_t>& begin,
                                           const std::vector<std::uint64_t>& end);
  Result<bool> contains(const std::string& id);
  // Nothing when there is no such object.
  Result<std::optional<Object>> describe(const std::string& id);
  // At most `limit` objects behind `cursor` (of an earlier page; empty: from the first).
  Result<ObjectPage> list(const std::string& cursor = {}, std::size_t limit = 1000);
  // Removes all names of an object, durably; false when there is no such object. What its
  // content shares with other objects, and what archives hold, stays.
  Result<bool> remove(const std::string& id);

  const StoreInfo& info() const;
  Archive archive();
  // The checkpoints of one experiment, any text that may stand behind a '/' in a name.
  Checkpoints checkpoints(const std::string& experiment);
  Deltas deltas();

  // The results under one namespace, any text of at most 255 bytes (cairn/results.h).
  Results results(const std::string& name_space = {});
  Experiments experiments();
  Operations operations();
  // The error of a store that is closed.
  Result<Metrics> metrics();
  Mirrors mirrors();
  // StoreOptions::memory_cache_bytes from now on. Needs read_write: a reader keeps nothing, because another process
  // may write.
  Status set_memory_cache_bytes(std::uint64_t bytes);
  Result<StoreStats> stats();
  // Gives back the space of what was removed: copies what is live out of the log's files with
  // the most dead content, and removes them. Takes turns with whatever else writes, beside
  // which it may run, and may be stopped and repeated at any time. ErrorCode::corruption when
  // damage leaves in doubt what is dead: nothing is reclaimed then.
  Result<GcReport> gc(const GcOptions& options = {}, const Progress& progress = {});
  // Encodes blocks again with more effort, and writes those again that get smaller by 1/16 at least.
  // What a newer version of the same name has nearly the same is written as the difference from that
  // (see OptimizeOptions::base); the newest version of a name relies on no other of its own. Ids and
  // contents stay as they are; what was there before is dead, for gc() to give back, so that the disk holds both until
  // then. Every block is verified before it is encoded. Takes turns with whatever else writes, may be stopped and
  // repeated at any time, and what it has committed stays. Where it has been before, it changes next to nothing.
  // no_space, retryable, when the disk is full: not for this is the reserve given up. not_found when there is no such
  // name. Needs read_write, but for a dry run.
  Result<OptimizeReport> optimize(const OptimizeOptions& options = {}, const Progress& progress = {});
  // Makes a clone of the store in `to`: a folder that is missing or empty, below one that is
  // there. The clone is the store as it is at one moment of the call: with all that was committed
  // before, and was put through this handle before, and nothing in part. It survives power loss
  // once this returns; until then nothing is under its final name. For handles of either kind,
  // beside whatever reads and writes, here or in another process.
  //
  // Files of the log that are full, and of the index, are shared where they can be (hard links
  // within one file system, reflinks), so that it takes moments and next to no space, and copied
  // where not. From then on both go their own ways: neither can change what the other has, nor
  // reclaim it; the space of a shared file is free once neither needs it. But a shared file is one
  // file: damage to it on the disk is damage to both.
  //
  // The clone has the id that the store was created with (`uuid` in the file STORE). Whatever tells
  // stores apart by it takes the two for one: after they have gone their own ways, files of the
  // one must not be brought into the other.
  //
  // invalid_argument when `to` is in the store's folder; already_exists when it is not empty; held
  // while another call makes a clone there. What a killed call leaves is in `to`.cloning, and the
  // next call with the same `to` removes it.
  Result<CloneReport> clone(const std::string& to, const CloneOptions& options = {}, const Progress& progress = {});
  // What StoreOptions::reclaim does rests between these. Pauses are counted. Once pause returns, nothing
  // is under way; nothing is lost by a pause of any length. It may have to wait for a call that writes,
  // so it is not for that call's Progress.
  void pause_reclaiming();
  void resume_reclaiming();
  ReclaimStats reclaim_stats() const;
  // Verifies; changes nothing in the log. Damage is in the report, not an error. Without
  // read_data, of blocks only those are reported that were found damaged before.
  Result<CheckReport> check(const CheckOptions& options = {}, const Progress& progress = {});

  // --- Damage. Needs read_write. ---
  //
  // A block or object that is found damaged is quarantined: it is not taken for known any more,
  // and the same content, added, put or saved again, heals everything that needs it. Nothing is
  // changed in place, and nothing damaged is removed until it is healed: see gc(). Reads of a
  // store that is open for writing quarantine what they find, for the next call that writes.

  // Reads and verifies the files of the log, those first that were verified least recently, and
  // quarantines what is damaged. May be stopped at any time: the next call goes on behind the
  // last file that was verified whole. Beside whatever else reads and writes.
  Result<ScrubReport> scrub(const ScrubOptions& options = {}, const Progress& progress = {});
  // The same for the whole log; and writes again what is damaged and has another whole copy.
  Result<RepairReport> repair(const Progress& progress = {});

 private:
  friend class StoreImpl;
  explicit Store(std::unique_ptr<StoreImpl> impl);
  std::unique_ptr<StoreImpl> impl_;
};

}  // namespace cairn
#pragma GCC visibility pop
