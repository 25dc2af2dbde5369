// SPDX-License-Identifier: Apache-2.0
#include "engine/read/block_reader.h"

#include "engine/base/errors.h"
#include "engine/codec/block_codec.h"
#include "engine/content/digester.h"
#include "engine/index/block_chain.h"
#include "engine/read/logged_parts.h"

namespace cairn {
namespace {

// How often a record is looked for again that was moved while it was read.
constexpr int kMovesMax = 8;

// Decoders keep scratch memory: one per thread serves every reader.
BlockDecoder& thread_decoder() {
  thread_local BlockDecoder decoder;
  return decoder;
}

template <class Manifest>
Result<Manifest> load(BlockReader& reader, RecordKind kind, const Digest& id, Result<Manifest> (*decode)(Bytes)) {
  CAIRN_TRY(const std::vector<std::byte> bytes, reader.read_object(kind, id));
  auto manifest = decode(bytes);
  if (!manifest.ok()) {
    return std::move(manifest).error().with_context(std::string(record_kind_name(kind)) + " " +
                                                    to_text(reader.digest_kind(), id));
  }
  return manifest;
}

}  // namespace

Error BlockReader::damaged(const char* what, const Digest& id, const RecordLocation& at, const std::string& why) const {
  if (on_damage_) on_damage_(id, at);
  return make_error(ErrorCode::corruption, std::string(what) + " " + to_text(digest_, id) + " in segment " +
                                               std::to_string(at.segment) + " at " + std::to_string(at.offset) + ": " +
                                               why);
}

Result<RecordLocation> BlockReader::find_block(const Digest& digest) {
  CAIRN_TRY(const auto at, index_.find_block(digest));
  if (!at) return make_error(ErrorCode::not_found, "no block " + to_text(digest_, digest));
  return *at;
}

Result<Block> BlockReader::read_block(const Digest& digest) {
  CAIRN_TRY(const RecordLocation at, find_block(digest));
  return read_block_at(digest, at);
}

Result<Block> BlockReader::read_block_at(const Digest& digest, const RecordLocation& at) {
  std::size_t bases_left = kChainBlocksMax;
  CAIRN_TRY(const StoredBlock stored, fetch(digest, at, bases_left));
  return decode_verified(stored);
}

Result<ComingBlock> BlockReader::begin_block(const Digest& digest) {
  CAIRN_TRY(const RecordLocation at, find_block(digest));
  const auto read = [this, digest, at] {
    std::size_t bases_left = kChainBlocksMax;
    return fetch(digest, at, bases_left);
  };
  // What comes through the page cache is there sooner than a reader is awake; a delta's bases may not.
  const bool waits = LogReader::reads_direct(at.stored_bytes) || has_parts(at);
  if (!waits) return ComingBlock{.stored = std::async(std::launch::deferred, read)};
  return ComingBlock{.stored = run_in(readers_, read)};
}

Result<Block> BlockReader::finish_block(ComingBlock coming) {
  CAIRN_TRY(const StoredBlock stored, coming.stored.get());
  return decode_verified(stored);
}

Result<Block> BlockReader::unverified_block(ComingBlock coming) {
  CAIRN_TRY(const StoredBlock stored, coming.stored.get());
  return decode(stored);
}

Result<std::optional<RecordLocation>> BlockReader::find_moved(const Digest& key, const RecordLocation& at) {
  CAIRN_CHECK(catch_up());
  CAIRN_TRY(auto now, at.kind == RecordKind::block ? index_.find_block(key) : index_.find_object(at.kind, key));
  if (now && now->segment == at.segment && now->offset == at.offset) now.reset();
  return now;
}

// What failed for a base that is elsewhere by now is looked for again from the beginning: what the
// block itself was may have been replaced with it.
Result<StoredBlock> BlockReader::fetch(const Digest& digest, RecordLocation at, std::size_t& bases_left) {
  const std::size_t left = bases_left;
  for (int moves = 0;; ++moves) {
    bases_left = left;
    auto stored = fetch_at(digest, at, bases_left);
    if (stored.ok() || stored.error().code != ErrorCode::corruption || moves == kMovesMax) return stored;
    CAIRN_TRY(const auto moved, find_moved(digest, at));
    if (!moved) return stored;
    at = *moved;
  }
}

Result<StoredBlock> BlockReader::fetch_at(const Digest& digest, const RecordLocation& at, std::size_t& bases_left) {
  if (at.logical_bytes > kBlockBytesMax || at.stored_bytes > kBlockBytesMax) {
    return damaged("block", digest, at, "larger than any block");
  }
  StoredBlock stored{
      .digest = digest, .at = at, .hold = buffers_.take(at.stored_bytes + 2 * kPageBytes), .bytes = {}, .bases = {}};
  if (!stored.hold) return make_error(ErrorCode::resource_exhausted, "no memory for a block");
  auto read = log_.read(at.segment, at.offset, at.stored_bytes, *stored.hold);
  if (!read.ok()) {
    if (read.error().code != ErrorCode::corruption) return std::move(read).error();
    return damaged("block", digest, at, read.error().message);
  }
  stored.bytes = *read;
  if (has_parts(at)) CAIRN_CHECK(fetch_bases(stored, bases_left));
  return stored;
}

Status BlockReader::fetch_bases(StoredBlock& block, std::size_t& bases_left) {
  const auto head = decode_delta_head(block.bytes, block.digest);
  if (!head.ok()) return damaged("block", block.digest, block.at, head.error().message);
  block.bytes = block.bytes.subspan(head->encoded_bytes());
  for (const Digest& base : head->bases) {
    if (bases_left == 0) {
      return damaged("block", block.digest, block.at, "relies on more than " + std::to_string(kChainBlocksMax));
    }
    --bases_left;
    CAIRN_TRY(const auto at, index_.find_block(base));
    if (!at) return damaged("block", block.digest, block.at, "its base " + to_text(digest_, base) + " is missing");
    auto stored = fetch(base, *at, bases_left);
    if (!stored.ok()) return relies_on(block, std::move(stored).error());
    block.bases.push_back(std::move(stored).value());
  }
  return {};
}

Error BlockReader::relies_on(const StoredBlock& block, Error base) const {
  if (base.code != ErrorCode::corruption) return base;
  return damaged("block", block.digest, block.at, "relies on " + base.message);
}

Result<Block> BlockReader::decode(const StoredBlock& stored) {
  const Digest& digest = stored.digest;
  const RecordLocation& at = stored.at;
  if (static_cast<CodecId>(at.codec) == CodecId::raw) {
    return Block{.hold = std::move(stored.hold), .content = stored.bytes};
  }
  std::vector<Block> bases;
  std::vector<Bytes> contents;
  for (const StoredBlock& base : stored.bases) {
    auto decoded = decode(base);
    if (!decoded.ok()) return relies_on(stored, std::move(decoded).error());
    contents.push_back(decoded->content);
    bases.push_back(std::move(decoded).value());
  }
  const std::shared_ptr<AlignedBuffer> buffer = buffers_.take(at.logical_bytes);
  if (!buffer) return make_error(ErrorCode::resource_exhausted, "no memory for a block");
  const MutableBytes content = buffer->first(at.logical_bytes);
  const Status decoded = thread_decoder().decode(static_cast<CodecId>(at.codec), stored.bytes, content, contents);
  if (!decoded.ok()) return damaged("block", digest, at, decoded.error().message);
  return Block{.hold = buffer, .content = content};
}

// A base is looked at by itself only where what relies on it is wrong.
Result<Block> BlockReader::decode_verified(const StoredBlock& stored) {
  const Digest& digest = stored.digest;
  auto block = decode(stored);
  if (!block.ok() && block.error().code != ErrorCode::corruption) return block;
  const Digest actual = block.ok() ? digest_of(digest_, block->content) : Digest{};
  if (block.ok() && actual == digest && block->content.size() == stored.at.logical_bytes) return block;
  for (const StoredBlock& base : stored.bases) {
    auto verified = decode_verified(base);
    if (!verified.ok()) return relies_on(stored, std::move(verified).error());
  }
  if (!block.ok()) return block;
  return damaged("block", digest, stored.at, "content has digest " + to_text(digest_, actual));
}

Result<std::vector<Reference>> BlockReader::bases_of(const Digest& digest, const RecordLocation& first) {
  LoggedParts parts(log_);
  RecordLocation at = first;
  for (int moves = 0;; ++moves) {
    CAIRN_TRY(auto bases, parts.parts_of(digest, at));
    if (bases) return *std::move(bases);
    CAIRN_TRY(const auto moved, find_moved(digest, at));
    if (!moved || moves == kMovesMax) return damaged("block", digest, at, "what it relies on cannot be read");
    at = *moved;
  }
}

Result<std::vector<std::byte>> BlockReader::read_object(RecordKind kind, const Digest& id) {
  CAIRN_TRY(const auto at, index_.find_object(kind, id));
  if (!at) {
    return make_error(ErrorCode::not_found, "no " + std::string(record_kind_name(kind)) + " " + to_text(digest_, id));
  }
  return read_object_at(id, *at);
}

Result<std::vector<std::byte>> BlockReader::read_object_at(const Digest& id, const RecordLocation& first) {
  RecordLocation at = first;
  for (int moves = 0;; ++moves) {
    auto read = object_at(id, at);
    if (read.ok() || read.error().code != ErrorCode::corruption || moves == kMovesMax) return read;
    CAIRN_TRY(const auto moved, find_moved(id, at));
    if (!moved) return read;
    at = *moved;
  }
}

Result<std::vector<std::byte>> BlockReader::object_at(const Digest& id, const RecordLocation& at) {
  const std::string name(record_kind_name(at.kind));
  if (at.stored_bytes > kObjectBytesMax) return damaged(name.c_str(), id, at, "larger than any object");
  AlignedBuffer buffer;
  const auto stored = log_.read(at.segment, at.offset, at.stored_bytes, buffer);
  if (!stored.ok()) {
    if (stored.error().code != ErrorCode::corruption) return stored.error();
    return damaged(name.c_str(), id, at, stored.error().message);
  }
  if (checksum_of(*stored) != at.checksum) return damaged(name.c_str(), id, at, "does not match its checksum");
  return std::vector<std::byte>(stored->begin(), stored->end());
}

Result<BlobManifest> load_blob(BlockReader& reader, const Digest& id) {
  return load<BlobManifest>(reader, RecordKind::blob, id, &decode_blob);
}
Result<TensorManifest> load_tensor(BlockReader& reader, const Digest& id) {
  return load<TensorManifest>(reader, RecordKind::tensor, id, &decode_tensor);
}
Result<ModelManifest> load_model(BlockReader& reader, const Digest& id) {
  return load<ModelManifest>(reader, RecordKind::model, id, &decode_model);
}
Result<TreeManifest> load_tree(BlockReader& reader, const Digest& id) {
  return load<TreeManifest>(reader, RecordKind::tree, id, &decode_tree);
}
Result<StateManifest> load_state(BlockReader& reader, const Digest& id) {
  return load<StateManifest>(reader, RecordKind::state, id, &decode_state_manifest);
}
Result<DeltaManifest> load_delta(BlockReader& reader, const Digest& id) {
  return load<DeltaManifest>(reader, RecordKind::delta, id, &decode_delta);
}
Result<SnapshotManifest> load_snapshot(BlockReader& reader, const Digest& id) {
  return load<SnapshotManifest>(reader, RecordKind::snapshot, id, &decode_snapshot);
}

}  // namespace cairn
