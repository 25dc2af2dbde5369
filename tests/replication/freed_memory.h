// SPDX-License-Identifier: Apache-2.0
//
// Looks into every piece of memory that a test program frees through delete, for a secret that should not be in it, and
// lets none be had where a test says so.
#pragma once

#include <cstddef>
#include <string_view>

namespace cairn::s3 {

// While it lives, on every thread. Under TSan it finds nothing.
// One at a time. `canary` is found in whole only.
class FreedMemoryWatch {
 public:
  explicit FreedMemoryWatch(std::string_view canary);
  ~FreedMemoryWatch();
  FreedMemoryWatch(const FreedMemoryWatch&) = delete;
  FreedMemoryWatch& operator=(const FreedMemoryWatch&) = delete;

  // How many pieces were freed with the canary in them since.
  std::size_t found() const;
};

// While it lives, on every thread, new has no piece of this size or larger. Not under TSan, and one at a time.
class NoLargeMemory {
 public:
  explicit NoLargeMemory(std::size_t from_bytes);
  ~NoLargeMemory();
  NoLargeMemory(const NoLargeMemory&) = delete;
  NoLargeMemory& operator=(const NoLargeMemory&) = delete;
};

}  // namespace cairn::s3
