// SPDX-License-Identifier: Apache-2.0
//
// Reads whole byte strings: blocks are fetched ahead, decoded in parallel, and handed out in
// order.
#pragma once

#include <functional>

#include "cairn/progress.h"
#include "engine/base/progress_meter.h"
#include "engine/base/worker_pool.h"
#include "engine/content/digester.h"
#include "engine/read/file_pieces.h"

namespace cairn {

// Receives the bytes at `offset`, on any thread and in any order, each byte once.
using PlaceBytes = std::function<Status(std::uint64_t offset, Bytes bytes)>;
// Receives the bytes from first to last, on the calling thread.
using SinkBytes = std::function<Status(Bytes bytes)>;

class FileReader {
 public:
  FileReader(BlockReader& blocks, WorkerPool& pool) : blocks_(blocks), pool_(pool) {}

  // Hands every piece to `place` and returns the digest of the whole, which nothing else
  // verifies: the caller compares it with the id before anybody may see what was placed.
  Result<Digest> place(const FilePieces& file, const PlaceBytes& place, ProgressMeter& meter);
  // The digest of a whole of which `whole` has what comes before `rest`.
  Result<Digest> digest(const FilePieces& rest, Digester whole, ProgressMeter& meter);
  // The same with each piece verified by the digest of its block.
  Status scatter(const FilePieces& file, const PlaceBytes& place, ProgressMeter& meter);
  // Streams the pieces to `sink`, each verified by the digest of its block.
  Status stream(const FilePieces& file, const SinkBytes& sink, ProgressMeter& meter);
  // An error that names the first block which is not what was put.
  Status verify(const FilePieces& file, const std::stop_token& stop);

 private:
  Result<Digest> place(const FilePieces& file, Digester whole, const PlaceBytes& place, ProgressMeter& meter);
  // Decoded blocks alive at once: bounds memory at about twice this many MiB.
  std::size_t window() const { return 4 * pool_.threads() + 4; }

  BlockReader& blocks_;
  WorkerPool& pool_;
};

}  // namespace cairn
