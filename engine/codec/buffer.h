// SPDX-License-Identifier: Apache-2.0
//
// Scratch memory that grows to the largest size asked for and is never cleared.
#pragma once

#include <memory>

#include "engine/base/bytes.h"

namespace cairn {

class Buffer {
 public:
  // At least `size` bytes; what they held is lost when the buffer has to grow.
  std::byte* at_least(std::size_t size) {
    if (size > capacity_) {
      data_.reset();
      capacity_ = 0;
      data_ = std::make_unique_for_overwrite<std::byte[]>(size);
      capacity_ = size;
    }
    return data_.get();
  }

 private:
  std::unique_ptr<std::byte[]> data_;
  std::size_t capacity_ = 0;
};

}  // namespace cairn
