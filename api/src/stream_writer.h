// SPDX-License-Identifier: Apache-2.0
//
// A byte string that arrives in parts, written to the store as a blob, block after block.
#pragma once

#include <memory>
#include <vector>

#include "engine/base/buffer_pool.h"
#include "engine/content/digester.h"
#include "engine/write/block_sink.h"

namespace cairn {

// Owned by the thread that owns the sink.
class StreamWriter {
 public:
  // `dtype` says what the bytes are, for the encoder.
  // Takes buffers of the sink's block_bytes from `buffers`.
  StreamWriter(BlockSink& sink, Index& index, BufferPool& buffers, DType dtype)
      : sink_(sink), index_(index), buffers_(buffers), dtype_(dtype), whole_(sink.options().digest) {}

  Status append(Bytes bytes);
  // Writes the rest and the manifest, if there is more than one block, or none. Once.
  Result<Digest> finish();

  std::uint64_t bytes() const noexcept { return bytes_; }
  // Of the blocks, as they are encoded: those that were known before, too, but none twice.
  std::uint64_t stored_bytes() const noexcept { return stored_; }

 private:
  Status write_block();

  BlockSink& sink_;
  Index& index_;
  BufferPool& buffers_;
  const DType dtype_;
  Digester whole_;
  SharedBuffer block_;
  std::size_t filled_ = 0;  // of the block
  std::vector<BlockRef> blocks_;
  std::uint64_t bytes_ = 0, stored_ = 0;
};

}  // namespace cairn
