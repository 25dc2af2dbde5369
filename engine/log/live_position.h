// SPDX-License-Identifier: Apache-2.0
//
// How far the log has been synced, told to readers in other processes while the writer
// runs. A hint in a file of its own, "live" beside the segments (docs/format/segment.md):
// never synced, always a position that was synced before it was told, never trusted when
// its checksum is wrong, and no part of the truth.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/io/file_system.h"

namespace cairn {

struct LivePosition {
  std::uint32_t segment = 0;
  std::uint64_t offset = 0;  // of that segment: everything before it is synced
  friend bool operator==(const LivePosition&, const LivePosition&) = default;
};

std::string live_position_path(const std::string& log_folder);

// The writer's side. Without a file (a full disk, say) readers lag, and nothing else.
class LivePositionWriter {
 public:
  LivePositionWriter(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag)
      : fs_(fs), path_(live_position_path(log_folder)), store_tag_(store_tag) {}
  void publish(const LivePosition& position);

 private:
  FileSystem& fs_;
  const std::string path_;
  const std::uint64_t store_tag_;
  std::unique_ptr<File> file_;
};

// The reader's side: nothing when there is none, or none of this store.
class LivePositionReader {
 public:
  LivePositionReader(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag)
      : fs_(fs), path_(live_position_path(log_folder)), store_tag_(store_tag) {}
  std::optional<LivePosition> read();

 private:
  FileSystem& fs_;
  const std::string path_;
  const std::uint64_t store_tag_;
  std::unique_ptr<File> file_;
};

}  // namespace cairn
