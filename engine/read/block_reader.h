// SPDX-License-Identifier: Apache-2.0
//
// Reads blocks and objects by id: index, log, decode, verify. What is returned is what was
// put, or an error; wrong bytes leave this class only as unverified_block(). Any thread.
#pragma once

#include <functional>
#include <vector>

#include "engine/base/buffer_pool.h"
#include "engine/base/worker_pool.h"
#include "engine/index/index.h"
#include "engine/log/log_reader.h"

namespace cairn {

// Bytes as they are in the log, and what keeps their memory.
struct StoredBlock {
  Digest digest;
  RecordLocation at;
  std::shared_ptr<AlignedBuffer> hold;
  Bytes bytes;                     // for the decoder: of a delta block, what follows its head
  std::vector<StoredBlock> bases;  // of a delta block, those that these are the difference from
};

// A block that the device was asked for, or will be.
struct ComingBlock {
  std::future<Result<StoredBlock>> stored;
};

// A block's content and what keeps its memory.
struct Block {
  SharedBuffer hold;
  Bytes content;
};

class BlockReader {
 public:
  // Larger blocks and objects than these are refused before memory is taken for them.
  static constexpr std::uint32_t kBlockBytesMax = 16 * MiB;
  static constexpr std::uint32_t kObjectBytesMax = 256 * MiB;

  // `block_bytes` is the store's: what most blocks have at most.
  // `readers` wait for the device; they are neither the callers nor who the callers wait for.
  BlockReader(Index& index, LogReader& log, WorkerPool& readers, DigestKind digest, std::uint32_t block_bytes)
      : index_(index), log_(log), readers_(readers), digest_(digest), buffers_(block_bytes + 2 * kPageBytes) {}

  DigestKind digest_kind() const noexcept { return digest_; }

  // not_found when the store has no such block; corruption, naming the place and both
  // digests, when what is stored is not what was put. A delta block takes its bases, and theirs,
  // kChainBlocksMax at most in all: one that is missing or damaged is damage of all that rely on it.
  Result<Block> read_block(const Digest& digest);
  Result<Block> read_block_at(const Digest& digest, const RecordLocation& at);

  // The same in two steps: the first finds the block and, when it is not small, begins to read
  // it, the second waits for that. This object outlives the first.
  Result<ComingBlock> begin_block(const Digest& digest);
  Result<Block> finish_block(ComingBlock coming);
  // finish_block() without the digest, for a caller who compares that of a whole which the
  // block is a part of: the content may be wrong, in size too.
  Result<Block> unverified_block(ComingBlock coming);

  // What a delta block is the difference from; nothing when it is none. Reads its head alone.
  Result<std::vector<Reference>> bases_of(const Digest& digest, const RecordLocation& at);

  // The verified payload of an object. `kind` is not RecordKind::block.
  Result<std::vector<std::byte>> read_object(RecordKind kind, const Digest& id);
  Result<std::vector<std::byte>> read_object_at(const Digest& id, const RecordLocation& at);

  Index& index() noexcept { return index_; }

  // Brings the index up to date, for a reader beside a writer in another process.
  void set_catch_up(std::function<Status()> catch_up) { catch_up_ = std::move(catch_up); }
  Status catch_up() { return catch_up_ ? catch_up_() : Status(); }
  // Whoever wants to know of every place where damage was found; called on any thread. The
  // record may have been moved from there meanwhile.
  using OnDamage = std::function<void(const Digest& key, const RecordLocation& at)>;
  void set_on_damage(OnDamage on_damage) { on_damage_ = std::move(on_damage); }
  // Where a record lies now that was at `at`: reclaiming moves records and removes the
  // segments they were in. Nothing when it is there still, or is no more.
  Result<std::optional<RecordLocation>> find_moved(const Digest& key, const RecordLocation& at);

 private:
  Result<RecordLocation> find_block(const Digest& digest);
  // `bases_left`: how many more blocks it may be decoded from.
  Result<StoredBlock> fetch(const Digest& digest, RecordLocation at, std::size_t& bases_left);
  Result<StoredBlock> fetch_at(const Digest& digest, const RecordLocation& at, std::size_t& bases_left);
  Status fetch_bases(StoredBlock& block, std::size_t& bases_left);
  Result<std::vector<std::byte>> object_at(const Digest& id, const RecordLocation& at);
  Result<Block> decode(const StoredBlock& stored);
  Result<Block> decode_verified(const StoredBlock& stored);
  Error relies_on(const StoredBlock& block, Error base) const;
  Error damaged(const char* what, const Digest& id, const RecordLocation& at, const std::string& why) const;

  Index& index_;
  LogReader& log_;
  WorkerPool& readers_;
  const DigestKind digest_;
  BufferPool buffers_;
  std::function<Status()> catch_up_;
  OnDamage on_damage_;
};

// Decoded manifests. Each is not_found when the store has no such object.
Result<BlobManifest> load_blob(BlockReader& reader, const Digest& id);
Result<TensorManifest> load_tensor(BlockReader& reader, const Digest& id);
Result<ModelManifest> load_model(BlockReader& reader, const Digest& id);
Result<TreeManifest> load_tree(BlockReader& reader, const Digest& id);
Result<StateManifest> load_state(BlockReader& reader, const Digest& id);
Result<DeltaManifest> load_delta(BlockReader& reader, const Digest& id);
Result<SnapshotManifest> load_snapshot(BlockReader& reader, const Digest& id);

}  // namespace cairn
