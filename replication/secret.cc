// SPDX-License-Identifier: Apache-2.0
#include "replication/secret.h"

#include <sys/mman.h>

#include <new>

namespace cairn {

Secret::Secret(std::size_t size) : size_(size) {
  if (size == 0) return;
  void* const pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  // A kernel that does not know this dumps them, as it would any memory.
  static_cast<void>(::madvise(pages, size, MADV_DONTDUMP));
  bytes_ = static_cast<char*>(pages);
}

Secret::~Secret() {
  if (bytes_ == nullptr) return;
  ::explicit_bzero(bytes_, size_);
  ::munmap(bytes_, size_);
}

}  // namespace cairn
