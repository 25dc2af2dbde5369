// SPDX-License-Identifier: Apache-2.0
//
// The way into the store: split, digest, known? encode, append, sync, commit. Owned by one
// thread; blocks are read, digested and encoded on the pool.
#pragma once

#include "engine/base/progress_meter.h"
#include "engine/base/worker_pool.h"
#include "engine/content/model_file.h"
#include "engine/write/block_sink.h"

namespace cairn {

struct WrittenFile {
  Digest blob;
  bool is_model = false;
  std::uint32_t tensors = 0;
};

class WritePath {
 public:
  // `readers` wait for the device that the sources are on.
  WritePath(const WriteOptions& options, Index& index, LogWriter& log, ObjectParts& stored, WorkerPool& pool,
            WorkerPool& readers);

  // Each makes its content part of the store once commit() has returned. Content that is
  // known costs a digest. After a failure to read the source, other sources may be written;
  // after a failure of the log, nothing more.
  Result<Digest> write_blob(const ByteSource& source, ProgressMeter& meter);
  // `bases` knows what the model's tensors, by their place in it, may be the difference from; null: nothing.
  Result<WrittenFile> write_file(const ByteSource& source, const ModelFile& model, ProgressMeter& meter,
                                 BaseSource* bases = nullptr);
  // For what is not content: objects, refs, the commit.
  BlockSink& sink() noexcept { return sink_; }

 private:
  struct Cut;  // a stretch of the source, on its way in
  struct TensorProgress;

  Result<Digest> write_opaque(const ByteSource& source, ProgressMeter& meter);
  Result<WrittenFile> write_model(const ByteSource& source, const ModelFile& model, ProgressMeter& meter,
                                  BaseSource* bases);
  struct ReadBlock;

  Result<ReadBlock> read(const ByteSource& source, std::uint64_t offset, std::uint32_t length, bool from_device);
  Result<BlockSink::Block> process(const ByteSource& source, Cut& cut, BaseSource* bases);
  Status append(const BlockSink::Block& block, ProgressMeter& meter);
  std::size_t window() const { return 4 * pool_.threads() + 4; }

  const WriteOptions options_;
  BlockSink sink_;
  WorkerPool& pool_;
  WorkerPool& readers_;
  BufferPool buffers_;  // of block_bytes and two pages
};

}  // namespace cairn
