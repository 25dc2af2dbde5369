// SPDX-License-Identifier: Apache-2.0
//
// The state of a simulated disk: what a reader sees now, and what of it power loss can
// take. No locks, no faults, no handles: sim_file_system.h adds those.
//
// Content is lost by the sector. A change to a folder (an entry made, moved or removed) is
// one indivisible step and lasts once the folder, not the file, has been synced.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/base/bytes.h"

namespace cairn::testing {

inline constexpr std::uint64_t kSectorBytes = 512;

enum class Loss {
  drop_unsynced,       // nothing that was not synced survives
  keep_prefix,         // all changes up to one point in time, the last write torn
  reorder_sectors,     // any sectors, at any of their versions; folders keep a prefix
  reorder_everything,  // and any of the changes to folders
  keep_all,            // what a killed process leaves behind
};
// Those that a disk which keeps its promises may come to.
inline constexpr Loss kLosses[] = {Loss::drop_unsynced, Loss::keep_prefix, Loss::reorder_sectors, Loss::keep_all};

struct SimNode;
using SimNodePtr = std::shared_ptr<SimNode>;
using SimEntries = std::map<std::string, SimNodePtr>;

// A write or truncation that power loss can still take.
struct SimChange {
  std::uint64_t sequence = 0;
  bool truncates = false;
  std::uint64_t offset = 0;  // of a write; the new size of a truncation
  std::vector<std::byte> bytes;
  bool completed = true;  // false: in flight, and no sync covers it
  bool lost = false;      // a failed sync dropped it: shown to readers, never durable
};

struct SimNode {
  std::uint64_t id = 0;
  bool is_directory = false;

  std::vector<std::byte> current, synced;
  std::vector<SimChange> pending;  // turns `synced` into `current`
  std::uint64_t preallocated = 0;

  SimEntries entries, durable;

  unsigned links = 0, handles = 0;
  std::uint64_t charged = 0;  // what it takes of the capacity
  long locked_by = 0;         // a process id, or 0
};

// Calls return 0 or an errno.
class SimDisk {
 public:
  explicit SimDisk(std::uint64_t capacity);

  struct Place {
    SimNodePtr folder;  // empty for the root
    std::string name;
    SimNodePtr node;  // empty when there is nothing of that name
  };
  int find(const std::string& path, Place& place) const;
  int find_existing(const std::string& path, SimNodePtr& node) const;

  int create(Place& place, bool is_directory);
  int rename(const std::string& from, const std::string& to);
  int link(const std::string& from, const std::string& to);
  int remove(const std::string& path, bool is_directory);
  int sync_directory(const std::string& path);

  // All or, when the disk is full, none. `sequence` names the write to complete().
  int write(SimNode& node, std::uint64_t offset, Bytes bytes, bool completed, std::uint64_t& sequence);
  int truncate(SimNode& node, std::uint64_t size);
  int preallocate(SimNode& node, std::uint64_t size);
  static void complete(SimNode& node, std::uint64_t sequence);
  static void sync(SimNode& node);
  // What a failed sync does on Linux: the pages are clean now, and were never written.
  static void lose_unsynced(SimNode& node);
  static void flip_bit(SimNode& node, std::uint64_t offset, unsigned bit);

  void opened(SimNode& node) { ++node.handles; }
  void closed(SimNode& node);

  std::uint64_t capacity() const { return capacity_; }
  std::uint64_t used() const { return used_; }
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
  static std::uint64_t disk_bytes(const SimNode& node);

  // The disk as it is found after power loss; the same seed finds the same one.
  SimDisk survivor(std::uint64_t seed, Loss loss) const;

 private:
  struct Assignment {
    SimNodePtr folder;
    std::string name;
    SimNodePtr node;  // empty: the entry is removed
  };
  struct FolderChange {
    std::uint64_t sequence = 0;
    std::vector<Assignment> assignments;
  };

  int charge(SimNode& node, std::uint64_t bytes);
  void release_if_gone(SimNode& node);
  void record(std::vector<Assignment> assignments);
  std::uint64_t last_kept(std::uint64_t seed) const;
  std::unordered_map<const SimNode*, SimEntries> surviving_folders(std::uint64_t seed, Loss loss,
                                                                   std::uint64_t last) const;

  std::uint64_t capacity_;
  std::uint64_t used_ = 0;
  std::uint64_t next_id_ = 1;
  std::uint64_t next_sequence_ = 1;
  SimNodePtr root_;
  std::vector<FolderChange> folder_changes_;  // not synced yet, in order
};

}  // namespace cairn::testing
