// SPDX-License-Identifier: Apache-2.0
//
// Reads whole byte strings: blocks are fetched and decoded in parallel, and handed out in
// order, verified.
#pragma once

#include <functional>

#include "cairn/progress.h"
#include "engine/base/progress_meter.h"
#include "engine/base/worker_pool.h"
#include "engine/read/file_pieces.h"

namespace cairn {

// Receives the bytes at `offset`, on any thread and in any order, each byte once.
using PlaceBytes = std::function<Status(std::uint64_t offset, Bytes bytes)>;
// Receives the bytes from first to last, on the calling thread.
using SinkBytes = std::function<Status(Bytes bytes)>;

class FileReader {
 public:
  FileReader(BlockReader& blocks, WorkerPool& pool) : blocks_(blocks), pool_(pool) {}

  // Writes every piece through `place` and returns the digest of the whole: the caller
  // compares it with the id.
  Result<Digest> place(const FilePieces& file, const PlaceBytes& place, ProgressMeter& meter);
  // Streams the pieces to `sink`.
  Status stream(const FilePieces& file, const SinkBytes& sink, ProgressMeter& meter);

 private:
  // Decoded blocks alive at once: bounds memory at about twice this many MiB.
  std::size_t window() const { return 4 * pool_.threads() + 4; }

  BlockReader& blocks_;
  WorkerPool& pool_;
};

}  // namespace cairn
