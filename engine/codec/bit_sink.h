// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "engine/base/endian.h"

namespace cairn {

// Bits on their way out, lowest first: fewer than 8 stay between two appends. Writes up to 8
// bytes past what is finished.
struct BitSink {
  std::byte* out;
  std::uint64_t pending = 0;
  std::uint64_t count = 0;

  // At most 56 bits.
  inline __attribute__((always_inline)) void append(std::uint64_t bits, std::uint64_t length) noexcept {
    pending |= bits << count;
    count += length;
    store_le(out, pending);
    out += count / 8;
    pending >>= count & ~std::uint64_t{7};
    count &= 7;
  }
  std::byte* finish() noexcept {
    if (count != 0) *out++ = static_cast<std::byte>(pending);
    return out;
  }
};

}  // namespace cairn
