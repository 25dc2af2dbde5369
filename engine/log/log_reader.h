// SPDX-License-Identifier: Apache-2.0
//
// Reads payloads of records at places the index knows. Any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "engine/base/aligned_buffer.h"
#include "engine/format/manifest.h"
#include "engine/io/file_system.h"

namespace cairn {

class LogReader {
 public:
  LogReader(FileSystem& fs, std::string folder) : fs_(fs), folder_(std::move(folder)) {}

  // Reads `stored_bytes` at `offset` of a segment into `buffer`, which is replaced by a
  // larger one when it is too small: whole pages around them are read. The bytes returned
  // lie in `buffer`, as stored: the caller verifies them. ErrorCode::corruption when the
  // segment is missing or ends before. Large payloads are read around the page cache, which
  // costs a copy and fresh memory; small ones through it, because it reads ahead.
  Result<Bytes> read(std::uint32_t segment, std::uint64_t offset, std::uint32_t stored_bytes, AlignedBuffer& buffer);
  // Whether such a payload is read around the page cache.
  static bool reads_direct(std::uint32_t stored_bytes) noexcept;

  // Lets go of segments that were reclaimed: their space is free once nobody has them open.
  void forget(const ReclaimedRecord& reclaimed);

 private:
  Result<std::shared_ptr<File>> segment_file(std::uint32_t segment, bool direct);

  FileSystem& fs_;
  const std::string folder_;
  std::mutex mutex_;
  // Guarded by mutex_; at most kOpenMax. Which segment, and whether it is open for direct reads.
  std::map<std::pair<std::uint32_t, bool>, std::shared_ptr<File>> files_;
};

}  // namespace cairn
