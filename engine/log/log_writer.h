// SPDX-License-Identifier: Apache-2.0
//
// Appends records to the log (docs/format/segment.md). Owned by one thread at a time.
//
// After append() a record may vanish in a power cut; after sync() everything appended
// before survives one, and only then does the caller learn where it lies: an index entry
// cannot point at bytes that a crash can take away. The first failed write or sync is
// final: every later call returns it as `poisoned`, because the file's tail is then
// unknown; a new writer starts from what recovery finds.
//
// A disk without room for a segment is no such failure. Segments are preallocated whole,
// before a record is promised a place in them: append() returns `no_space`, retryable, has
// not taken the record, and will try again with the next.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/aligned_buffer.h"
#include "engine/format/record.h"
#include "engine/io/file_system.h"
#include "engine/log/disk_room.h"
#include "engine/log/live_position.h"

namespace cairn {

struct NewRecord {
  RecordKind kind = RecordKind::block;
  std::uint8_t codec = 0;
  std::uint32_t logical_bytes = 0;
  Digest key;
  Bytes payload;  // borrowed for the call, unless `hold` keeps it
  // With it, a large payload that may be written from where it lies is not copied, and
  // kept until it is written.
  std::shared_ptr<const void> hold = {};
  std::optional<std::uint64_t> checksum = {};  // of the payload, when the caller has it
  std::optional<std::uint64_t> carried = {};   // from another segment, with this sequence
  // Says that something is gone, or is a part of reclaiming: for it the reserve is given up, and
  // the budget is none (DiskRoom).
  bool gives_back = false;
};

struct LogOptions {
  StoreUuid store{};
  DigestKind digest = DigestKind::blake3;
  std::uint32_t block_bytes = 0;
  std::uint64_t segment_bytes = 0;
  // Payload bytes gathered before a group is written; larger groups cost memory, smaller
  // ones bandwidth. A record that is larger gets a group of its own.
  std::size_t group_bytes = 4 * MiB;
  std::size_t groups_in_flight = 8;
  DiskRoom* room = nullptr;  // null: the disk's own
};

// Where the log goes on: what recovery found.
struct LogEnd {
  std::uint32_t segment = 0;                   // the last segment; 0: there is none
  std::uint64_t offset = 0;                    // where its next group goes; unused when sealed
  bool sealed = true;                          // nothing more may be appended to it
  std::vector<RecordDescriptor> open_records;  // what an unsealed last segment holds so far
  std::uint64_t next_sequence = 1;
};

class LogWriter {
 public:
  // Touches no file before the first append.
  LogWriter(FileSystem& fs, std::string folder, const LogOptions& options, LogEnd end);
  ~LogWriter();  // does not sync: what was not synced may be lost
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // Adds the records to one group, so that after a crash all of them are there or none, and may
  // start writing groups. When it fails for want of space and failed() is false, all is as
  // before the call.
  Status append(std::span<const NewRecord> records);
  Status append(const NewRecord& record) { return append(std::span(&record, 1)); }

  struct Synced {
    std::vector<std::pair<std::uint32_t, RecordDescriptor>> records;  // with their segments, in log order
    std::uint32_t end_segment = 0;
    std::uint64_t end_offset = 0;
    std::uint64_t next_sequence = 0;
  };
  // Writes and syncs everything appended, and returns what has become durable since the
  // last call, in order.
  Result<Synced> sync();

  // Sealing a segment syncs it: whether that has made records durable which nobody has been
  // told of, and those records, up to the last sealed segment's end. Costs no sync.
  bool has_sealed() const noexcept { return sealed_.has_value(); }
  Synced take_sealed();

  // Ends the open segment though it is not full; nothing when none is open. sync() must have
  // returned everything before.
  Status seal_open_segment();
  // The segment that is appended to; 0 when the next append begins another one.
  std::uint32_t open_segment_number() const noexcept { return end_.sealed ? 0 : end_.segment; }
  // Null: the disk's own.
  DiskRoom* room() const noexcept { return options_.room; }
  // The last one that there is, sealed or not.
  std::uint32_t last_segment_number() const noexcept { return end_.segment; }

  // sync() must have returned everything before. When anything was appended, adds a witness
  // (a group without records, whose head promises all before it), so that damage to the
  // last groups is told from a torn write by the log alone; and gives back preallocated
  // space. Returns where the log ends, without records.
  Result<Synced> close();

  // Takes nothing more, as after a failed write: for a caller that could not make what was
  // synced part of the index, and must not build upon it.
  void fail(const Error& error) { static_cast<void>(poison(error).ok()); }
  // Whether a write or sync has failed: nothing more will succeed.
  bool failed() const noexcept { return failure_.has_value(); }
  // What every later call returns then.
  const std::optional<Error>& failure() const noexcept { return failure_; }
  std::uint64_t unsynced_bytes() const noexcept { return unsynced_bytes_; }
  // Whether records were appended that sync() or take_sealed() have not returned.
  bool has_unreported() const noexcept { return !unreported_.empty() || !group_.empty(); }
  // Bytes added to the log's files by this writer, headers and padding included. Any thread.
  std::uint64_t appended_bytes() const noexcept { return appended_bytes_.load(std::memory_order_relaxed); }
  // The same, and zeros that small groups overwrite: what the device was given.
  std::uint64_t written_bytes() const noexcept { return appended_bytes() + written_ahead_bytes_; }

 private:
  struct Group {
    AlignedBuffer head;
    AlignedBuffer packed;  // payloads that were copied; taken when one comes
    std::size_t packed_bytes = 0;
    std::vector<Bytes> parts;  // the payload area in order: stretches of `packed`, and payloads in their places
    std::vector<std::shared_ptr<const void>> holds;  // of the latter
    std::size_t used = 0;                            // of the payload area
    std::vector<RecordDescriptor> records;           // payload_offset counts from the payload area until placed
    bool empty() const { return records.empty(); }
    void pack(Bytes bytes, std::size_t zeros_before);
    void pad(std::size_t zeros);
  };

  Status append_together(std::span<const NewRecord> records);
  Status append_record(const NewRecord& record, std::size_t bytes_at_once);
  Status reserve_open_segment();
  bool may_take_reserve(const Status& failed);
  Status open_segment();
  Status begin_segment(std::uint32_t segment);
  Status create_segment(std::uint32_t segment);
  Error refuse_segment(std::uint32_t segment, Error error);
  Status make_room(std::span<const NewRecord> records);
  std::size_t payload_bytes_with(std::span<const NewRecord> records) const;
  Status write_group();
  Status grow_file(std::uint64_t through);
  Status write_zeros_ahead(std::uint64_t group_bytes);
  Status wait_for_writes(std::size_t at_most_in_flight);
  Status sync_all();
  Status write_witness();
  Status seal();
  Status poison(Status status);
  AlignedBuffer take_buffer(std::size_t bytes);

  FileSystem& fs_;
  const std::string folder_;
  const LogOptions options_;
  LogEnd end_;

  LivePositionWriter live_;
  std::unique_ptr<File> file_;  // the open segment; null until the first append, and while there is no room for one
  std::unique_ptr<WriteQueue> queue_;
  Group group_;
  std::deque<std::pair<std::uint64_t, Group>> writing_;  // by tag
  std::vector<AlignedBuffer> spare_;
  std::uint64_t next_tag_ = 0;
  std::uint64_t file_bytes_ = 0;     // of the open segment, zeros behind its last group included
  std::uint64_t zeros_through_ = 0;  // of it, written as zeros for small groups to come
  std::uint64_t written_ahead_bytes_ = 0;
  bool last_was_small_ = false;
  bool gives_back_ = false;  // what is appended now
  AlignedBuffer zeros_;
  std::uint64_t synced_through_ = 0;  // in the open segment
  std::uint64_t unsynced_bytes_ = 0;
  std::atomic<std::uint64_t> appended_bytes_ = 0;
  bool folder_synced_ = true;
  std::vector<std::pair<std::uint32_t, RecordDescriptor>> unreported_;
  struct SegmentEnd {
    std::uint32_t segment = 0;
    std::uint64_t offset = 0;
  };
  std::optional<SegmentEnd> sealed_;  // the last one that was sealed since the last report
  std::optional<Error> failure_;
};

}  // namespace cairn
