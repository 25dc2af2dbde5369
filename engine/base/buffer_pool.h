// SPDX-License-Identifier: Apache-2.0
//
// Recycles page-aligned buffers of one size: fresh memory costs a page fault every 4 KiB,
// which at a GB/s is a core. Several are allocated at once, so that they lie on huge pages.
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
  explicit BufferPool(std::size_t buffer_bytes)
      : free_(std::make_shared<FreeList>()), bytes_(align_up(buffer_bytes, kPageBytes)) {}

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
      if (free_->buffers.empty()) allocate_some();
      if (free_->buffers.empty()) return nullptr;
      buffer = std::move(free_->buffers.back());
      free_->buffers.pop_back();
    }
    return {new AlignedBuffer(std::move(buffer)), [free = free_](AlignedBuffer* returned) {
              const std::unique_ptr<AlignedBuffer> owned(returned);
              const std::lock_guard lock(free->mutex);
              free->buffers.push_back(std::move(*owned));
            }};
  }
  std::size_t buffer_bytes() const noexcept { return bytes_; }

 private:
  static constexpr std::size_t kSlabBytes = 4 * kHugePageBytes;

  void allocate_some() {
    const std::size_t count = kSlabBytes / bytes_;
    if (count < 2) {
      if (AlignedBuffer one = AlignedBuffer::allocate(bytes_)) free_->buffers.push_back(std::move(one));
      return;
    }
    const AlignedBuffer slab = AlignedBuffer::allocate(kSlabBytes);
    if (!slab) return;
    for (std::size_t i = count; i > 0; --i) free_->buffers.push_back(slab.part((i - 1) * bytes_, bytes_));
  }

  struct FreeList {
    std::mutex mutex;
    std::vector<AlignedBuffer> buffers;
  };
  std::shared_ptr<FreeList> free_;
  std::size_t bytes_;
};

}  // namespace cairn
