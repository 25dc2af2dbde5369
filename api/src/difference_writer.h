// SPDX-License-Identifier: Apache-2.0
//
// Tensors on their way into the log, piece by piece: as they are, or as their difference from another.
#pragma once

#include <deque>

#include "api/src/stream_writer.h"
#include "api/src/tensor_reader.h"
#include "engine/delta/tensor_delta.h"

namespace cairn {

// Owned by the thread that owns the sink.
class DifferenceWriter {
 public:
  DifferenceWriter(StoreImpl& store, BlockSink& sink)
      : store_(store), sink_(sink), blocks_(store.header().block_bytes), pieces_(kDeltaPieceBytes) {}

  // Blocks, blob and manifest. Returns the tensor's id.
  Result<Digest> write_tensor(const ReadableTensor& tensor);

  // The streams of the difference, and in `delta` everything, of the base what was read. Each piece is reconstructed at
  // once, as a reader will. False: streams and manifest take more than `bytes_max`. What was written of it then is in
  // vain.
  Result<bool> write(DeltaPlan plan, std::optional<double> max_error, const ReadableTensor& target,
                     const ReadableTensor& base, double bytes_max, DeltaManifest& delta);

 private:
  class Run;

  DigestKind digest() const { return store_.header().digest; }
  Digest id_of(const ReadableTensor& tensor, const Digest& content) const {
    return tensor_id(digest(), tensor.dtype, 0, tensor.shape, content);
  }

  StoreImpl& store_;
  BlockSink& sink_;
  BufferPool blocks_, pieces_;
};

}  // namespace cairn
