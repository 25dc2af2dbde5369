// SPDX-License-Identifier: Apache-2.0
//
// Owned memory aligned to 4096 bytes, as O_DIRECT asks for.
#pragma once

#include <memory>
#include <utility>

#include "engine/base/bytes.h"

namespace cairn {

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kHugePageBytes = 2 * MiB;

// A move-only block of uninitialised memory. `capacity` is rounded up to whole pages;
// an empty buffer means the allocation failed.
//
// From 2 MiB on it asks for huge pages: a direct transfer of 1 MiB is then one or two runs
// of memory to the device, not 256, and some devices are twice as fast for it.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::move(other.data_)), capacity_(std::exchange(other.capacity_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }
  static AlignedBuffer allocate(std::size_t capacity);
  // A part of this one that has its memory too: whole pages, and no other buffer's.
  AlignedBuffer part(std::size_t offset, std::size_t capacity) const {
    AlignedBuffer buffer;
    buffer.data_ = std::shared_ptr<std::byte>(data_, data_.get() + offset);
    buffer.capacity_ = capacity;
    return buffer;
  }

  std::byte* data() const noexcept { return data_.get(); }
  std::size_t capacity() const noexcept { return capacity_; }
  MutableBytes span() const noexcept { return {data_.get(), capacity_}; }
  MutableBytes first(std::size_t count) const noexcept { return span().first(count); }
  explicit operator bool() const noexcept { return data_ != nullptr; }

 private:
  std::shared_ptr<std::byte> data_;  // with whoever else has a part of the same memory
  std::size_t capacity_ = 0;
};

}  // namespace cairn
