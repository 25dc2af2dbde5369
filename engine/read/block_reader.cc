// SPDX-License-Identifier: Apache-2.0
#include "engine/read/block_reader.h"

#include "engine/base/errors.h"
#include "engine/codec/block_codec.h"
#include "engine/content/digester.h"

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
  CAIRN_TRY(const StoredBlock stored, fetch(digest, at));
  return verified(digest, stored.at, decode(digest, stored));
}

Result<ComingBlock> BlockReader::begin_block(const Digest& digest) {
  CAIRN_TRY(const RecordLocation at, find_block(digest));
  const auto read = [this, digest, at] { return fetch(digest, at); };
  // What comes through the page cache is there sooner than a reader is awake.
  if (!LogReader::reads_direct(at.stored_bytes)) return ComingBlock{.stored = std::async(std::launch::deferred, read)};
  return ComingBlock{.stored = run_in(readers_, read)};
}

Result<Block> BlockReader::finish_block(const Digest& digest, ComingBlock coming) {
  CAIRN_TRY(const StoredBlock stored, coming.stored.get());
  return verified(digest, stored.at, decode(digest, stored));
}

Result<Block> BlockReader::unverified_block(const Digest& digest, ComingBlock coming) {
  CAIRN_TRY(const StoredBlock stored, coming.stored.get());
  return decode(digest, stored);
}

Result<std::optional<RecordLocation>> BlockReader::find_moved(const Digest& key, const RecordLocation& at) {
  CAIRN_CHECK(catch_up());
  CAIRN_TRY(auto now, at.kind == RecordKind::block ? index_.find_block(key) : index_.find_object(at.kind, key));
  if (now && now->segment == at.segment && now->offset == at.offset) now.reset();
  return now;
}

Result<StoredBlock> BlockReader::fetch(const Digest& digest, RecordLocation at) {
  for (int moves = 0;; ++moves) {
    auto stored = fetch_at(digest, at);
    if (stored.ok() || stored.error().code != ErrorCode::corruption || moves == kMovesMax) return stored;
    CAIRN_TRY(const auto moved, find_moved(digest, at));
    if (!moved) return stored;
    at = *moved;
  }
}

Result<StoredBlock> BlockReader::fetch_at(const Digest& digest, const RecordLocation& at) {
  if (at.logical_bytes > kBlockBytesMax || at.stored_bytes > kBlockBytesMax) {
    return damaged("block", digest, at, "larger than any block");
  }
  StoredBlock stored{.at = at, .hold = buffers_.take(at.stored_bytes + 2 * kPageBytes), .bytes = {}};
  if (!stored.hold) return make_error(ErrorCode::resource_exhausted, "no memory for a block");
  auto read = log_.read(at.segment, at.offset, at.stored_bytes, *stored.hold);
  if (!read.ok()) {
    if (read.error().code != ErrorCode::corruption) return std::move(read).error();
    return damaged("block", digest, at, read.error().message);
  }
  stored.bytes = *read;
  return stored;
}

Result<Block> BlockReader::decode(const Digest& digest, const StoredBlock& stored) {
  const RecordLocation& at = stored.at;
  if (static_cast<CodecId>(at.codec) == CodecId::raw) {
    return Block{.hold = std::move(stored.hold), .content = stored.bytes};
  }
  const std::shared_ptr<AlignedBuffer> buffer = buffers_.take(at.logical_bytes);
  if (!buffer) return make_error(ErrorCode::resource_exhausted, "no memory for a block");
  const MutableBytes content = buffer->first(at.logical_bytes);
  const Status decoded = thread_decoder().decode(static_cast<CodecId>(at.codec), stored.bytes, content);
  if (!decoded.ok()) return damaged("block", digest, at, decoded.error().message);
  return Block{.hold = buffer, .content = content};
}

Result<Block> BlockReader::verified(const Digest& digest, const RecordLocation& at, Result<Block> read) const {
  CAIRN_TRY(Block block, std::move(read));
  const Digest actual = digest_of(digest_, block.content);
  if (actual != digest || block.content.size() != at.logical_bytes) {
    return damaged("block", digest, at, "content has digest " + to_text(digest_, actual));
  }
  return block;
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
Result<SnapshotManifest> load_snapshot(BlockReader& reader, const Digest& id) {
  return load<SnapshotManifest>(reader, RecordKind::snapshot, id, &decode_snapshot);
}

}  // namespace cairn
