// SPDX-License-Identifier: Apache-2.0
//
// Reads a part of a source from front to back through a small window, for metadata whose
// length is only known when its end is reached. What is skipped is not read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/endian.h"
#include "engine/content/byte_source.h"

namespace cairn {

// Every call returns nothing, and for good, once the part is exhausted, more than
// kReadMax bytes were read, or the source failed: status() then has its error.
class SourceReader {
 public:
  // Metadata beyond this is nobody's: it bounds the time a hostile file can take.
  static constexpr std::uint64_t kReadMax = 256 * MiB;

  SourceReader(const ByteSource& source, std::uint64_t begin, std::uint64_t end)
      : source_(source), at_(begin), end_(end) {}

  template <std::unsigned_integral T>
  std::optional<T> get() {
    if (!fill(sizeof(T))) return std::nullopt;
    const T value = load_le<T>(window_.data() + (at_ - window_at_));
    at_ += sizeof(T);
    return value;
  }
  // At most `bytes_max` bytes as text.
  std::optional<std::string> get_text(std::uint64_t bytes, std::uint64_t bytes_max);
  bool skip(std::uint64_t bytes);

  std::uint64_t offset() const noexcept { return at_; }
  std::uint64_t remaining() const noexcept { return end_ - at_; }
  bool failed() const noexcept { return failed_; }
  const Status& status() const noexcept { return status_; }

 private:
  // Makes `bytes` (at most kWindowMin) at at_ readable in the window.
  bool fill(std::uint64_t bytes);
  bool fail() noexcept;

  static constexpr std::uint64_t kWindowMin = 4 * KiB;
  static constexpr std::uint64_t kWindowMax = 256 * KiB;

  const ByteSource& source_;
  std::uint64_t at_;
  std::uint64_t end_;
  std::vector<std::byte> window_;
  std::uint64_t window_at_ = 0;
  std::uint64_t next_window_ = kWindowMin;
  std::uint64_t read_ = 0;
  bool failed_ = false;
  Status status_;
};

}  // namespace cairn
