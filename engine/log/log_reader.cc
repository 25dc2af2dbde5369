// SPDX-License-Identifier: Apache-2.0
#include "engine/log/log_reader.h"

#include "engine/base/errors.h"
#include "engine/log/segment_files.h"

namespace cairn {

namespace {

// Stays well below the usual limit of 1024 descriptors; reads in flight keep theirs.
constexpr std::size_t kOpenMax = 256;

// From here on a read of its own is worth more than what read-ahead brings.
constexpr std::uint32_t kDirectBytesMin = 64 * KiB;

}  // namespace

bool LogReader::reads_direct(std::uint32_t stored_bytes) noexcept { return stored_bytes >= kDirectBytesMin; }

Result<std::shared_ptr<File>> LogReader::segment_file(std::uint32_t segment, bool direct) {
  const std::lock_guard lock(mutex_);
  if (const auto open = files_.find({segment, direct}); open != files_.end()) return open->second;
  auto opened = fs_.open(segment_path(folder_, segment), {.direct = direct});
  if (!opened.ok()) {
    // The index says that the segment exists: without it the store is damaged.
    if (opened.error().code == ErrorCode::not_found) opened.error().code = ErrorCode::corruption;
    return std::move(opened).error();
  }
  if (files_.size() >= kOpenMax) files_.clear();
  std::shared_ptr<File> file = std::move(opened).value();
  files_.emplace(std::pair(segment, direct), file);
  return file;
}

void LogReader::forget(const ReclaimedRecord& reclaimed) {
  const std::lock_guard lock(mutex_);
  std::erase_if(files_, [&](const auto& open) { return reclaimed.contains(open.first.first); });
}

Result<Bytes> LogReader::read(std::uint32_t segment, std::uint64_t offset, std::uint32_t stored_bytes,
                              AlignedBuffer& buffer) {
  CAIRN_TRY(const std::shared_ptr<File> file, segment_file(segment, reads_direct(stored_bytes)));
  // Whole pages around the payload, as a direct file asks for.
  const std::uint64_t from = offset / kPageBytes * kPageBytes;
  const std::uint64_t to = align_up(offset + stored_bytes, kPageBytes);
  if (buffer.capacity() < to - from) buffer = AlignedBuffer::allocate(to - from);
  if (!buffer) return make_error(ErrorCode::resource_exhausted, "no memory to read a record");
  const MutableBytes pages = buffer.first(to - from);
  CAIRN_TRY(const std::size_t got, file->read_at(from, pages));
  if (got < offset + stored_bytes - from) {
    return make_error(ErrorCode::corruption,
                      segment_path(folder_, segment) + " at " + std::to_string(offset) + ": record cut short");
  }
  return Bytes(pages.subspan(offset - from, stored_bytes));
}

}  // namespace cairn
