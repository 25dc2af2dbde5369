// SPDX-License-Identifier: Apache-2.0
//
// Reads a byte string from front to back and cuts it by content.
#pragma once

#include <optional>

#include "engine/base/buffer_pool.h"
#include "engine/content/byte_source.h"
#include "engine/content/splitter.h"

namespace cairn {

class OpaqueCutter {
 public:
  struct Cut {
    SharedBuffer hold;  // keeps `bytes` alive
    Bytes bytes;
  };

  // Borrows the source.
  OpaqueCutter(const ByteSource& source, std::uint32_t block_bytes);

  // The next block; nothing at the end.
  Result<std::optional<Cut>> next();

 private:
  Status refill();

  const ByteSource& source_;
  const ContentSplitter splitter_;
  BufferPool windows_;
  std::shared_ptr<AlignedBuffer> window_;
  Bytes rest_;                 // of the window: read, not yet cut
  std::uint64_t read_to_ = 0;  // of the source
};

}  // namespace cairn
