// SPDX-License-Identifier: Apache-2.0
//
// Cuts opaque bytes by content, so that an insertion shifts few blocks. FastCDC with
// normalised chunking (Xia et al., USENIX ATC 2016). The gear table and the parameters
// are part of the format: changing them would store everything again.
//
// Tensors are never cut by content: they are cut at fixed block_bytes from their start.
#pragma once

#include "engine/base/bytes.h"

namespace cairn {

class ContentSplitter {
 public:
  // Blocks of at most `block_bytes`; at least an eighth of that, except the last; half of
  // it on average.
  explicit ContentSplitter(std::uint32_t block_bytes);

  std::uint32_t max_bytes() const noexcept { return max_; }

  // The length of the first block of `bytes`. The caller passes at least max_bytes(), or
  // all that remains. Deterministic; at least 1 for a non-empty input. Any thread.
  std::size_t cut(Bytes bytes) const noexcept;

 private:
  std::uint32_t min_, normal_, max_;
  std::uint64_t mask_small_, mask_large_;
};

}  // namespace cairn
