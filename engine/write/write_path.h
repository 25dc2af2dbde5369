// SPDX-License-Identifier: Apache-2.0
//
// The way into the store: split, digest, known? encode, append, sync, commit. Owned by one
// thread; blocks are read, digested and encoded on the pool.
#pragma once

#include <mutex>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/base/buffer_pool.h"
#include "engine/base/progress_meter.h"
#include "engine/base/worker_pool.h"
#include "engine/codec/block_codec.h"
#include "engine/content/model_file.h"
#include "engine/index/index.h"
#include "engine/log/log_writer.h"

namespace cairn {

struct WriteOptions {
  DigestKind digest = DigestKind::blake3;
  std::uint32_t block_bytes = MiB;
  EncodeOptions encode;
  // Split, digest and compare, but append nothing.
  bool dry_run = false;
};

struct WriteCounters {
  std::uint64_t new_blocks = 0, known_blocks = 0;
  std::uint64_t new_bytes = 0;  // logical, of new blocks
};

struct WrittenFile {
  Digest blob;
  bool is_model = false;
  std::uint32_t tensors = 0;
};

class WritePath {
 public:
  // `readers` wait for the device that the sources are on.
  WritePath(const WriteOptions& options, Index& index, LogWriter& log, WorkerPool& pool, WorkerPool& readers);

  // Each makes its content part of the store once commit() has returned. Content that is
  // known costs a digest. After a failure to read the source, other sources may be written;
  // after a failure of the log, nothing more.
  Result<Digest> write_blob(const ByteSource& source, ProgressMeter& meter);
  Result<WrittenFile> write_file(const ByteSource& source, const ModelFile& model, ProgressMeter& meter);
  Status write_object(RecordKind kind, const Digest& id, Bytes payload);
  Status write_ref(const RefRecord& ref);
  // Noted with the next commit.
  void remember(std::string path, SeenFile seen) { seen_.emplace_back(std::move(path), std::move(seen)); }

  // Everything written so far survives power loss, and is in the index.
  Status commit();

  const WriteCounters& counters() const noexcept { return counters_; }

 private:
  struct Cut;        // a stretch of the source, on its way in
  struct DoneBlock;  // the same, digested and if new encoded
  struct TensorProgress;

  Result<Digest> write_opaque(const ByteSource& source, ProgressMeter& meter);
  Result<WrittenFile> write_model(const ByteSource& source, const ModelFile& model, ProgressMeter& meter);
  struct ReadBlock;

  Result<ReadBlock> read(const ByteSource& source, std::uint64_t offset, std::uint32_t length, bool from_device);
  Result<DoneBlock> process(const ByteSource* source, Cut& cut);
  Status append(const DoneBlock& block, ProgressMeter& meter);
  Status write_blob_manifest(const Digest& id, std::vector<BlockRef> blocks, std::uint64_t total_bytes);
  Result<bool> claim(const Digest& digest);
  Status commit_if_due();
  Status abandon();
  std::size_t window() const { return 4 * pool_.threads() + 4; }

  const WriteOptions options_;
  Index& index_;
  LogWriter& log_;
  WorkerPool& pool_;
  WorkerPool& readers_;
  BufferPool buffers_;  // of block_bytes and two pages
  WriteCounters counters_;

  std::mutex claims_mutex_;
  // Blocks that are being written or are appended but not yet in the index: the first to
  // claim one writes it. Guarded by claims_mutex_.
  std::unordered_set<Digest> claims_;
  std::set<std::pair<RecordKind, Digest>> pending_objects_;  // appended, not yet in the index
  std::vector<RefRecord> pending_refs_;
  std::vector<std::pair<std::string, SeenFile>> seen_;
};

}  // namespace cairn
