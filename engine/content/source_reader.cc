// SPDX-License-Identifier: Apache-2.0
#include "engine/content/source_reader.h"

#include <algorithm>

namespace cairn {

bool SourceReader::fail() noexcept {
  failed_ = true;
  return false;
}

bool SourceReader::fill(std::uint64_t bytes) {
  if (failed_ || bytes > remaining()) return fail();
  const std::uint64_t window_end = window_at_ + window_.size();
  if (at_ >= window_at_ && at_ <= window_end && bytes <= window_end - at_) return true;
  // Sequential reading earns larger windows; after a jump the next jump may be near.
  const bool sequential = at_ >= window_at_ && at_ <= window_end && !window_.empty();
  next_window_ = sequential ? std::min(2 * next_window_, kWindowMax) : kWindowMin;
  const std::uint64_t count = std::min(next_window_, remaining());
  read_ += count;
  if (read_ > kReadMax) return fail();
  window_.resize(count);
  window_at_ = at_;
  status_ = source_.read_at(at_, window_);
  return status_.ok() || fail();
}

std::optional<std::string> SourceReader::get_text(std::uint64_t bytes, std::uint64_t bytes_max) {
  if (failed_ || bytes > bytes_max || bytes > remaining()) {
    fail();
    return std::nullopt;
  }
  std::string text;
  while (text.size() < bytes) {
    const std::uint64_t part = std::min(kWindowMin, bytes - text.size());
    if (!fill(part)) return std::nullopt;
    text += as_text(Bytes(window_).subspan(at_ - window_at_, part));
    at_ += part;
  }
  return text;
}

bool SourceReader::skip(std::uint64_t bytes) {
  if (failed_ || bytes > remaining()) return fail();
  at_ += bytes;
  return true;
}

}  // namespace cairn
