// SPDX-License-Identifier: Apache-2.0
//
// The local view of the log: where each block and object lies, what names mean, and how
// far the log has been applied. Kept in RocksDB with its WAL off; the applied position is
// written in the same batch as what was applied, so that after a crash the index is
// consistent at some position and the log is replayed from there. It can always be thrown
// away and rebuilt.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cairn/digest.h"
#include "engine/format/delta_head.h"
#include "engine/format/manifest.h"
#include "engine/format/record.h"
#include "engine/format/references.h"
#include "engine/io/file_system.h"

namespace cairn {

// Where the log has been read to: everything before it has been applied.
struct Position {
  std::uint32_t segment = 0;
  std::uint64_t offset = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};

// Where a record's payload lies, and all that is needed to read and check it.
struct RecordLocation {
  RecordKind kind = RecordKind::block;
  std::uint8_t codec = 0;
  std::uint32_t segment = 0;
  std::uint64_t offset = 0;
  std::uint32_t stored_bytes = 0;
  std::uint32_t logical_bytes = 0;
  std::uint64_t checksum = 0;
  std::uint64_t sequence = 0;
  // From live objects, refs and roots; kept by the index. That of a blob manifest is its
  // block's: see Index::references().
  std::uint64_t references = 0;
  // What is there was found damaged: reading may be tried, but the same content that comes
  // again is written again. Kept by the index: see IndexBatch::verdicts.
  bool quarantined = false;
  // Of a live object that could not be read when its parts were to be counted: they are not.
  bool uncounted = false;
  friend bool operator==(const RecordLocation&, const RecordLocation&) = default;
};

// Whether it keeps others: an object its parts, a delta block its bases.
inline bool has_parts(const RecordLocation& at) { return at.kind != RecordKind::block || at.codec == kDeltaCodec; }

// Where the record that `record` describes lies, as a part of `segment`.
inline RecordLocation location_of(std::uint32_t segment, const RecordDescriptor& record) {
  return {.kind = record.kind,
          .codec = record.codec,
          .segment = segment,
          .offset = record.payload_offset,
          .stored_bytes = record.stored_bytes,
          .logical_bytes = record.logical_bytes,
          .checksum = record.checksum,
          .sequence = record.sequence,
          .references = 0,
          .quarantined = false,
          .uncounted = false};
}

// What a file looked like when it was last archived: while all of it is unchanged, so is
// the content. A memory only: losing it costs a re-read.
struct SeenFile {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t mtime_ns = 0, ctime_ns = 0;
  Digest blob;
  bool is_model = false;
  std::uint32_t tensors = 0;
  std::string note;
  friend bool operator==(const SeenFile&, const SeenFile&) = default;
};

// Where the record lies that says what a ref or a root means.
struct RecordPlace {
  std::uint32_t segment = 0;
  std::uint64_t offset = 0;
  friend bool operator==(const RecordPlace&, const RecordPlace&) = default;
};

template <class T>
struct Placed : T {
  Placed(T of, RecordPlace at = {}) : T(std::move(of)), place(at) {}
  RecordPlace place;
};

// What a segment's records are worth: payloads, and the descriptors of blocks and objects.
struct SegmentUse {
  std::uint64_t record_bytes = 0;  // all of them
  std::uint64_t live_bytes = 0;    // those that are reachable from a ref or a root
  // Those that say that a ref or a root was removed: needed while an older segment exists.
  std::uint64_t tombstone_bytes = 0;
  std::uint64_t dead_bytes() const noexcept { return record_bytes - live_bytes - tombstone_bytes; }
  friend bool operator==(const SegmentUse&, const SegmentUse&) = default;
};
// The same of single records.
std::uint64_t use_of(const RecordLocation& at);
std::uint64_t use_of(const RefRecord& ref);
std::uint64_t use_of(const Root& root);
std::uint64_t use_of(const StoredEntry& entry);

// When a segment was verified from its first record to its last.
struct SegmentCheck {
  std::uint64_t number = 0;  // in the order in which segments were: no clock decides
  std::int64_t time_ns = 0;  // for people
  friend bool operator==(const SegmentCheck&, const SegmentCheck&) = default;
};

// What somebody who read a block or object found: it holds for this place alone.
struct Verdict {
  Digest key;
  RecordKind kind = RecordKind::block;
  RecordPlace place;
  bool damaged = false;
};

// Says what objects are made of, and what delta blocks are the difference from, for counting.
class ObjectParts {
 public:
  virtual ~ObjectParts() = default;
  // Nothing when that is damaged. No parts of what does not have any: see has_parts().
  virtual Result<std::optional<std::vector<Reference>>> parts_of(const Digest& id, const RecordLocation& at) = 0;
};

// What one step of the log changes. Applied whole or not at all.
struct IndexBatch {
  struct Put {
    Digest key;
    RecordLocation at;
  };
  // Blocks and objects. A higher sequence replaces a lower one, in any order of arrival; of
  // equal ones (a record carried to a new place) the last to arrive stays.
  std::vector<Put> records;
  std::vector<Placed<RefRecord>> refs;                 // in log order; `removed` deletes
  std::vector<Placed<Root>> roots;                     // the same
  std::vector<Placed<StoredEntry>> entries;            // the same
  std::optional<StoreClock> clock;                     // never goes backwards
  std::optional<Placed<ReclaimedRecord>> reclaimed;    // the latest
  std::vector<std::pair<std::string, SeenFile>> seen;  // by path; not from the log
  std::optional<Position> applied;                     // never moves backwards
  std::uint64_t next_sequence = 0;                     // kept as the maximum of all batches

  // Whether the log says anything in it but how far it was read.
  bool says_nothing() const {
    return records.empty() && refs.empty() && roots.empty() && entries.empty() && !clock && !reclaimed;
  }

  // Without it references are not counted, and the counts are good for nothing from then on
  // (see Index::counted): for an overlay.
  ObjectParts* parts = nullptr;
  // Of reclaiming. Blocks and objects that nothing refers to, to be forgotten: anything
  // else is refused, and so is a segment that holds something live.
  std::vector<Reference> dropped;
  std::vector<std::uint32_t> removed_segments;
  // Why counts may be too low; stays. See doubt().
  std::optional<std::string> doubt;

  // Sets and clears RecordLocation::quarantined, where the record still is at that place.
  std::vector<Verdict> verdicts;
  std::optional<std::pair<std::uint32_t, SegmentCheck>> checked;  // a segment, just now
};

// Reading is for any thread; apply() and checkpoint() for one at a time.
class Index {
 public:
  enum class Access { read_write, read_only };
  virtual ~Index() = default;

  // Opens the index in folder `path`, creating it (read_write) when there is none.
  //
  // Fails with ErrorCode::corruption when its files are in doubt: missing, shorter or
  // other than at the last checkpoint(), or refused by RocksDB. The caller then rebuilds.
  //
  // read_only works beside a live writer: it sees the index as last checkpointed, and
  // apply() then changes only this process's memory (an overlay), for the log's tail.
  // Where nothing was ever checkpointed, it sees an empty index.
  static Result<std::unique_ptr<Index>> open(FileSystem& fs, const std::string& path, Access access);
  // An index that lives in memory alone: for reading a store whose index is in doubt.
  static Result<std::unique_ptr<Index>> open_in_memory();
  // Removes the files of the index in `path`, and the folder. Nothing there is no error.
  static Status destroy(FileSystem& fs, const std::string& path);

  virtual Position applied() const = 0;
  virtual std::uint64_t next_sequence() const = 0;

  virtual Result<std::optional<RecordLocation>> find_block(const Digest& digest) = 0;
  // `kind` is part of the key: a blob and a model file may share a digest.
  virtual Result<std::optional<RecordLocation>> find_object(RecordKind kind, const Digest& id) = 0;
  virtual Result<std::optional<RefRecord>> find_ref(std::string_view name, std::uint64_t version) = 0;
  virtual Result<std::optional<RefRecord>> latest_ref(std::string_view name) = 0;
  // The highest version of a name that is below `bound`.
  virtual Result<std::optional<RefRecord>> ref_below(std::string_view name, std::uint64_t bound) = 0;
  virtual Result<std::optional<SeenFile>> find_seen(std::string_view path) = 0;
  // Every root of `id`, by kind, then name.
  virtual Result<std::vector<Root>> find_roots(const Digest& id) = 0;
  virtual Result<std::optional<Root>> find_root(RecordKind kind, const Digest& id, std::string_view name) = 0;
  virtual Result<std::optional<RecordPlace>> find_ref_place(std::string_view name, std::uint64_t version) = 0;
  virtual Result<std::optional<RecordPlace>> find_root_place(RecordKind kind, const Digest& id,
                                                             std::string_view name) = 0;

  // --- Entries ---

  virtual Result<std::optional<Placed<StoredEntry>>> find_entry(std::string_view key) = 0;
  enum class Order : std::uint8_t { ascending, descending };
  // Keys that start with `prefix`, bytewise, in either order from `from` (included; empty: from
  // the first). False ends the walk.
  using VisitEntry = std::function<Result<bool>(const Placed<StoredEntry>& entry)>;
  virtual Status for_each_entry(std::string_view prefix, Order order, std::string_view from,
                                const VisitEntry& visit) = 0;
  // The same of index keys; those that are equal by the key of their entry.
  using VisitIndexKey = std::function<Result<bool>(std::string_view index_key, std::string_view key)>;
  virtual Status for_each_index_key(std::string_view prefix, Order order, std::string_view from,
                                    const VisitIndexKey& visit) = 0;
  // As the log last said; nothing when it never did.
  virtual Result<std::optional<StoreClock>> clock() = 0;

  // --- What is live: reachable from a ref, a root or an entry ---
  //
  // Counts are a function of the refs, the roots, the entries, the objects and the delta blocks alone: every
  // ref, root and entry counts what it names, every live object its parts, every live delta block its bases. A block
  // and the blob manifest of the same digest share a count. Something may be counted that is not (or no longer) there.

  // 0: dead.
  virtual Result<std::uint64_t> references(RecordKind kind, const Digest& id) = 0;
  // Every block and object that is there or counted: `at.segment` is 0 when it is only counted.
  virtual Status for_each_count(const std::function<Status(const Digest& key, const RecordLocation& at)>& visit) = 0;
  // Every object and delta block (what has_parts()) that is there and dead.
  virtual Result<std::vector<Reference>> dead_objects() = 0;
  virtual Result<std::map<std::uint32_t, SegmentUse>> segment_uses() = 0;
  virtual Result<std::optional<Placed<ReclaimedRecord>>> reclaimed() = 0;
  // What is damaged, so that it could not be counted, or refs or roots in it are not known:
  // until the index is rebuilt, counts may be too low. Nothing when all is known.
  virtual Result<std::optional<std::string>> doubt() = 0;
  // Blocks and objects that are quarantined. 0: what is known is good, as far as is known.
  virtual std::uint64_t quarantined() const = 0;
  // Segments that were verified, by number.
  virtual Result<std::map<std::uint32_t, SegmentCheck>> segment_checks() = 0;
  // False once something was applied without counting.
  virtual bool counted() const = 0;

  // In key order; refs by name, then version. A visitor's error ends the walk and is returned.
  using VisitRecord = std::function<Status(const Digest& key, const RecordLocation& at)>;
  using VisitRef = std::function<Status(const RefRecord& ref)>;
  virtual Status for_each_block(const VisitRecord& visit) = 0;
  virtual Status for_each_object(const VisitRecord& visit) = 0;
  virtual Status for_each_ref(const VisitRef& visit) = 0;
  // The versions of one name that are not below `from`, ascending. False ends the walk.
  using VisitVersion = std::function<Result<bool>(const RefRecord& ref)>;
  virtual Status for_each_version(std::string_view name, std::uint64_t from, const VisitVersion& visit) = 0;
  // By id, kind and name, from the first id that is greater than `after`. False ends the walk.
  using VisitRoot = std::function<Result<bool>(const Root& root)>;
  virtual Status for_each_root(const std::optional<Digest>& after, const VisitRoot& visit) = 0;

  // Atomic. Not durable until checkpoint(), and need not be: the log is.
  virtual Status apply(const IndexBatch& batch) = 0;
  // Makes everything applied survive power loss, and guards the files against damage
  // (see open). Costs a flush: once, when a store is closed. What was applied
  // since the last one is not there after the next open, crash or not. After a failure
  // reads go on, and apply() and checkpoint() fail with ErrorCode::poisoned.
  virtual Status checkpoint() = 0;

  // Merges the tables that hold entries and their index keys, where a good part of them is of what has changed since or
  // is gone, and tells whether it did: the space is the disk's with the next checkpoint(). Does nothing where the
  // tables are small, or `room_bytes`, which the disk has, are not clearly enough. Beside apply(), and takes as long
  // as it takes to write the tables anew.
  virtual Result<bool> merge_entries(std::uint64_t room_bytes) = 0;

  // Changes no file from now on, not even when it is destroyed: for whoever gives up the right
  // to write, which another may take at once. Reads go on; apply() and checkpoint() are over.
  virtual void retire() = 0;

  // Resident memory of the index, in bytes: caches, memtables, table readers.
  virtual std::uint64_t memory_bytes() const = 0;
  // Written to its files since it was opened: flushes, compactions, and what describes them.
  virtual std::uint64_t written_bytes() const = 0;
};

}  // namespace cairn
