// SPDX-License-Identifier: Apache-2.0
//
// Owned memory aligned to 4096 bytes, as O_DIRECT asks for.
#pragma once

#include <cstdlib>
#include <memory>

#include "engine/base/bytes.h"

namespace cairn {

inline constexpr std::size_t kPageBytes = 4096;

// A move-only block of uninitialised memory. `capacity` is rounded up to whole pages;
// an empty buffer means the allocation failed.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  static AlignedBuffer allocate(std::size_t capacity) {
    AlignedBuffer buffer;
    const auto rounded = align_up(capacity == 0 ? 1 : capacity, kPageBytes);
    buffer.data_.reset(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, rounded)));
    buffer.capacity_ = buffer.data_ ? rounded : 0;
    return buffer;
  }

  std::byte* data() const noexcept { return data_.get(); }
  std::size_t capacity() const noexcept { return capacity_; }
  MutableBytes span() const noexcept { return {data_.get(), capacity_}; }
  MutableBytes first(std::size_t count) const noexcept { return span().first(count); }
  explicit operator bool() const noexcept { return data_ != nullptr; }

 private:
  struct Free {
    void operator()(std::byte* p) const noexcept { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t capacity_ = 0;
};

}  // namespace cairn
