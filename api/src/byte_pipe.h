// SPDX-License-Identifier: Apache-2.0
//
// Bytes from a thread that gives them to one that asks for them, a bounded number of them on their way.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "cairn/result.h"

namespace cairn {

// One thread writes and ends it; another reads, and may give up.
class BytePipe {
 public:
  explicit BytePipe(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // Waits for room. cancelled: nobody reads any more.
  Status write(std::span<const std::byte> bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || waiting_ < bytes_max_; });
    if (closed_) return Error{.code = ErrorCode::cancelled, .message = "nobody reads any more"};
    waiting_ += bytes.size();
    pieces_.emplace_back(bytes.begin(), bytes.end());
    changed_.notify_all();
    return {};
  }
  // Nothing more comes; after an error not even what was written.
  void end(Status how) {
    const std::lock_guard lock(mutex_);
    ended_ = std::move(how);
    changed_.notify_all();
  }
  // Fills the buffer; fewer bytes at the end alone.
  Result<std::size_t> read(std::span<std::byte> into) {
    std::size_t filled = 0;
    while (filled < into.size()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ended_ || !pieces_.empty(); });
      if (ended_ && !ended_->ok()) return ended_->error();
      if (pieces_.empty()) break;
      const std::span<const std::byte> piece = std::span(pieces_.front()).subspan(taken_);
      const std::size_t size = std::min(piece.size(), into.size() - filled);
      std::copy_n(piece.begin(), size, into.begin() + static_cast<std::ptrdiff_t>(filled));
      filled += size;
      taken_ += size;
      waiting_ -= size;
      if (size == piece.size()) {
        pieces_.pop_front();
        taken_ = 0;
      }
      changed_.notify_all();
    }
    return filled;
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  const std::size_t bytes_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<std::byte>> pieces_;
  std::size_t taken_ = 0;    // of the first
  std::size_t waiting_ = 0;  // bytes in all of them
  std::optional<Status> ended_;
  bool closed_ = false;
};

}  // namespace cairn
