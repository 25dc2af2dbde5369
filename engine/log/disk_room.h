// SPDX-License-Identifier: Apache-2.0
//
// The room that a store has on its disk: what its budget leaves, and a reserve for giving space
// back on a disk that is full. The reserve is a file of preallocated blocks in the store's folder,
// named "ballast" elsewhere (CockroachDB), which is removed when removing or reclaiming finds no
// room for a segment or the index's checkpoint, and made again once there is room.
//
// While the reserve is given up, or a segment was begun beyond the budget, `open_to_all` refuses
// what does not give space back: it would take the room that was made for what does.
//
// For whoever has the log's turn, but for use() and budget().
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/io/file_system.h"

namespace cairn {

struct DiskRoomOptions {
  std::uint64_t segment_bytes = 0;
  std::uint64_t budget_bytes = 0;              // 0: no limit
  std::optional<std::uint64_t> reserve_bytes;  // 0: none; nothing: by itself, see reserve_for()
};

// Enough for a segment to be begun, and for the index's checkpoint.
std::uint64_t reserve_for(std::uint64_t segment_bytes);

// What the folder takes on the disk, with everything in it. What vanishes meanwhile is nothing.
Result<std::uint64_t> disk_use(FileSystem& fs, const std::string& folder);

class DiskRoom {
 public:
  // `folder` is the store's.
  DiskRoom(FileSystem& fs, std::string folder, const DiskRoomOptions& options);

  static std::string reserve_path(const std::string& folder) { return folder + "/reserve"; }

  // Makes the reserve as far as there is room, and removes one that is not wanted. Where the store
  // chooses its size, only once the store is large beside it. Whether it worked: see reserve().
  void refill();
  // Before a segment takes `more` bytes of the disk: no_space, retryable, beyond the budget. What
  // gives space back is let through.
  Status admit(std::uint64_t more, bool gives_back);
  // Before a record is appended that does not give space back: no_space, retryable, while the room
  // that is left is for those that do.
  Status open_to_all();
  // The reserve's space is the disk's again. False when there is none.
  bool give_up();
  // Before a checkpoint of the index: gives up the reserve when there may be no other room.
  void make_room_for_checkpoint();
  // Whether what is copied takes room that was kept for giving space back, or soon will: then a
  // segment is removed before the next is copied.
  bool is_tight() const;

  std::uint64_t budget() const noexcept { return options_.budget_bytes; }
  // As of the last refill() or admit(). Any thread.
  std::uint64_t use() const noexcept { return use_.load(std::memory_order_relaxed); }
  std::uint64_t reserve() const noexcept { return held_.load(std::memory_order_relaxed); }

 private:
  void measure();
  void make(std::uint64_t bytes);
  bool has_less_than(std::uint64_t bytes) const;
  bool is_wanted() const;
  std::uint64_t target() const;

  FileSystem& fs_;
  const std::string folder_, path_;
  const DiskRoomOptions options_;
  const std::uint64_t wanted_;
  std::atomic<std::uint64_t> use_ = 0, held_ = 0;
  bool given_up_ = false;       // and not whole again
  bool beyond_budget_ = false;  // a segment was begun there
};

}  // namespace cairn
