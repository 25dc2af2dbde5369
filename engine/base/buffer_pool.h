// SPDX-License-Identifier: Apache-2.0
//
// Recycles page-aligned buffers of one size: fresh memory costs a page fault every 4 KiB,
// which at a GB/s is a core.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "engine/base/aligned_buffer.h"

namespace cairn {

using SharedBuffer = std::shared_ptr<const AlignedBuffer>;

// Any thread. Buffers may outlive the pool.
class BufferPool {
 public:
  explicit BufferPool(std::size_t buffer_bytes) : free_(std::make_shared<FreeList>()), bytes_(buffer_bytes) {}

  // A buffer of at least buffer_bytes(), back in the pool when its last holder lets go;
  // null when there is no memory.
  std::shared_ptr<AlignedBuffer> take() { return take(bytes_); }
  // The same of at least `bytes`; one larger than buffer_bytes() is not kept.
  std::shared_ptr<AlignedBuffer> take(std::size_t bytes) {
    if (bytes > bytes_) {
      AlignedBuffer large = AlignedBuffer::allocate(bytes);
      return large ? std::make_shared<AlignedBuffer>(std::move(large)) : nullptr;
    }
    AlignedBuffer buffer;
    {
      const std::lock_guard lock(free_->mutex);
      if (!free_->buffers.empty()) {
        buffer = std::move(free_->buffers.back());
        free_->buffers.pop_back();
      }
    }
    if (!buffer) buffer = AlignedBuffer::allocate(bytes_);
    if (!buffer) return nullptr;
    return {new AlignedBuffer(std::move(buffer)), [free = free_](AlignedBuffer* returned) {
              const std::unique_ptr<AlignedBuffer> owned(returned);
              const std::lock_guard lock(free->mutex);
              free->buffers.push_back(std::move(*owned));
            }};
  }
  std::size_t buffer_bytes() const noexcept { return bytes_; }

 private:
  struct FreeList {
    std::mutex mutex;
    std::vector<AlignedBuffer> buffers;
  };
  std::shared_ptr<FreeList> free_;
  std::size_t bytes_;
};

}  // namespace cairn
