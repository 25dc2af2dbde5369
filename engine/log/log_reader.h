// SPDX-License-Identifier: Apache-2.0
//
// Reads payloads of records at places the index knows. Any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "engine/base/aligned_buffer.h"
#include "engine/io/file_system.h"

namespace cairn {

class LogReader {
 public:
  // `direct` reads around the page cache: right for reading everything once.
  LogReader(FileSystem& fs, std::string folder, bool direct) : fs_(fs), folder_(std::move(folder)), direct_(direct) {}

  // Reads `stored_bytes` at `offset` of a segment into `buffer`, which is replaced by a
  // larger one when it is too small: whole pages around them are read. The bytes returned
  // lie in `buffer`, as stored: the caller verifies them. ErrorCode::corruption when the
  // segment is missing or ends before.
  Result<Bytes> read(std::uint32_t segment, std::uint64_t offset, std::uint32_t stored_bytes, AlignedBuffer& buffer);

  // A hint that the same read() comes soon: the device begins on it. Never fails.
  void will_need(std::uint32_t segment, std::uint64_t offset, std::uint32_t stored_bytes);

 private:
  Result<std::shared_ptr<File>> segment_file(std::uint32_t segment);

  FileSystem& fs_;
  const std::string folder_;
  const bool direct_;
  std::mutex mutex_;
  std::unordered_map<std::uint32_t, std::shared_ptr<File>> files_;  // guarded by mutex_; at most kOpenMax
};

}  // namespace cairn
