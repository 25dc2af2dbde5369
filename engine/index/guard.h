// SPDX-License-Identifier: Apache-2.0
//
// The guard: a file beside RocksDB's that says what they were at the last checkpoint
// (docs/format/index.md). No RocksDB here.
//
// RocksDB trusts its own files further than we may: a shortened MANIFEST loses data
// silently, and some damage ends the process. So RocksDB is given only what the guard
// lists and only after it has been checked. Whatever is newer than the guard (a flush or
// compaction that a crash overtook, a longer MANIFEST) is no damage: it is left out, the
// index is as at its last checkpoint, and the log is replayed from there.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/index/index.h"

namespace cairn {

inline constexpr std::string_view kGuardName = "GUARD";
// The longest guard, MANIFEST, CURRENT or IDENTITY: what a damaged size can make us
// allocate. An index of 100 million blocks needs some 100 KiB.
inline constexpr std::uint64_t kSmallFileBytesMax = 64 * MiB;

// One of RocksDB's files. A table (*.sst) never changes once it is written: `size` is its
// size, and `checksum` covers its last kTableTailBytes, where its footer is, the only part
// of it that RocksDB does not check itself. Of any other file both are of the part that
// the checkpoint needs; a MANIFEST grows after it.
struct GuardedFile {
  std::string name;
  std::uint64_t size = 0;
  std::uint64_t checksum = 0;
  friend bool operator==(const GuardedFile&, const GuardedFile&) = default;
};

inline constexpr std::uint64_t kTableTailBytes = 4096;
bool is_table(std::string_view name) noexcept;

struct Guard {
  Position applied;
  std::string manifest;  // RocksDB's current MANIFEST; empty before the first checkpoint
  std::vector<GuardedFile> files;

  // The index was created and nothing in it has been made durable: it is empty.
  bool nothing_durable() const noexcept { return manifest.empty(); }
  bool lists(std::string_view name) const noexcept;
  friend bool operator==(const Guard&, const Guard&) = default;
};

std::vector<std::byte> encode(const Guard& guard);
Result<Guard> decode_guard(Bytes bytes);

// Nothing when there is no index in `folder`. ErrorCode::corruption when the guard is
// damaged, or missing beside other files.
Result<std::optional<Guard>> read_guard(FileSystem& fs, const std::string& folder);
// The files it lists, and their names in the folder, must have been synced.
Status write_guard(FileSystem& fs, const std::string& folder, const Guard& guard);

// Describes `folder`/`name` as it is; of anything but a table its first `size` bytes.
Result<GuardedFile> describe_table(FileSystem& fs, const std::string& folder, const std::string& name);
Result<GuardedFile> describe_prefix(FileSystem& fs, const std::string& folder, const std::string& name,
                                    std::uint64_t size);

// What the guard lists, checked: RocksDB reads these very bytes and handles, so nothing
// that happens to the names in the folder afterwards can reach it.
struct CheckedFiles {
  std::map<std::string, std::string, std::less<>> contents;
  struct Table {
    std::shared_ptr<File> file;
    std::uint64_t size = 0;
  };
  std::map<std::string, Table, std::less<>> tables;
};
// ErrorCode::corruption, with the file named, when one is missing, shorter or other.
Result<CheckedFiles> check_files(FileSystem& fs, const std::string& folder, const Guard& guard);

// Removes every file that the guard does not list: what a crash left behind.
Status remove_unlisted_files(FileSystem& fs, const std::string& folder, const Guard& guard);

}  // namespace cairn
