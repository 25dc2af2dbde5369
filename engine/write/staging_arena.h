// SPDX-License-Identifier: Apache-2.0
//
// Memory that values are copied to: taken, and its pages touched, once.
#pragma once

#include <memory>

#include "cairn/result.h"
#include "engine/base/bytes.h"

namespace cairn {

// Any thread. Slabs may outlive the arena.
class StagingArena {
 public:
  // `count` slabs of `slab_bytes`, a multiple of the page size.
  static Result<std::unique_ptr<StagingArena>> create(std::size_t slab_bytes, std::size_t count);

  struct Slab {
    std::shared_ptr<const void> hold;  // gives the slab back
    MutableBytes bytes;                // empty: all slabs are in use
  };
  Slab take();
  std::size_t slab_bytes() const noexcept { return slab_bytes_; }

 private:
  struct Memory;
  StagingArena(std::shared_ptr<Memory> memory, std::size_t slab_bytes)
      : memory_(std::move(memory)), slab_bytes_(slab_bytes) {}

  std::shared_ptr<Memory> memory_;
  std::size_t slab_bytes_;
};

// Copies without filling the cache: for bytes that somebody else reads next. As fast as
// the memory, where memcpy of less than the cache's size reads its target first.
void copy_past_cache(MutableBytes to, Bytes from);

}  // namespace cairn
