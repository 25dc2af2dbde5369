// SPDX-License-Identifier: Apache-2.0
#include "engine/base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>

namespace cairn {

AlignedBuffer AlignedBuffer::allocate(std::size_t capacity) {
  AlignedBuffer buffer;
  const std::size_t rounded = align_up(capacity == 0 ? 1 : capacity, kPageBytes);
  const bool huge = rounded >= kHugePageBytes;
  // Unlike aligned_alloc(), this one takes any size with any alignment.
  void* data = nullptr;
  if (::posix_memalign(&data, huge ? kHugePageBytes : kPageBytes, rounded) != 0) return buffer;
  // A wish: where it is refused the buffer is as good, only slower.
  if (huge) ::madvise(data, rounded, MADV_HUGEPAGE);
  buffer.data_ = std::shared_ptr<std::byte>(static_cast<std::byte*>(data), [](std::byte* p) { std::free(p); });
  buffer.capacity_ = rounded;
  return buffer;
}

}  // namespace cairn
