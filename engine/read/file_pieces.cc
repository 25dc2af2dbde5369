// SPDX-License-Identifier: Apache-2.0
#include "engine/read/file_pieces.h"

#include <algorithm>

#include "engine/base/errors.h"
#include "engine/read/whole_content.h"

namespace cairn {
namespace {

Error inconsistent(DigestKind digest, const char* kind, const Digest& id, const std::string& why) {
  return make_error(ErrorCode::corruption, std::string(kind) + " " + to_text(digest, id) + ": " + why);
}

// Hands out a skeleton's bytes in order, as pieces placed in a file.
class SkeletonCursor {
 public:
  explicit SkeletonCursor(FilePieces skeleton) : skeleton_(std::move(skeleton)) {}

  // Takes the next `length` bytes for `offset` of the file; false when there are not so many.
  bool take(std::uint64_t length, std::uint64_t offset, std::vector<Piece>& out) {
    while (length > 0) {
      if (at_ == skeleton_.pieces.size()) return false;
      const Piece& from = skeleton_.pieces[at_];
      const auto part = static_cast<std::uint32_t>(std::min<std::uint64_t>(length, from.length - used_));
      out.push_back(Piece{.block = from.block, .skip = used_, .length = part, .offset = offset, .skeleton = true});
      used_ += part;
      offset += part;
      length -= part;
      if (used_ == from.length) {
        ++at_;
        used_ = 0;
      }
    }
    return true;
  }
  bool exhausted() const { return at_ == skeleton_.pieces.size(); }

 private:
  const FilePieces skeleton_;
  std::size_t at_ = 0;
  std::uint32_t used_ = 0;
};

}  // namespace

Result<FilePieces> pieces_of_blob(BlockReader& reader, const Digest& id, std::uint64_t bytes) {
  FilePieces out{.total_bytes = bytes, .pieces = {}};
  // Content of one block may be known as several smaller ones, too. A block is whole by itself,
  // so it comes first: what the manifest lists may be long gone, when the log has kept it alone.
  // Unless it is damaged: then what it was put as later may be whole.
  CAIRN_TRY(const auto block_at, reader.index().find_block(id));
  bool good = block_at && !block_at->quarantined;
  if (good && has_parts(*block_at)) {
    CAIRN_TRY(good, WholeContent(reader).is_whole({RecordKind::block, id}));
  }
  std::optional<RecordLocation> manifest_at;
  if (!good) {
    CAIRN_TRY(manifest_at, reader.index().find_object(RecordKind::blob, id));
  }
  if (block_at && block_at->logical_bytes == bytes && (good || !manifest_at)) {
    out.pieces.push_back(Piece{.block = {id, block_at->logical_bytes}, .length = block_at->logical_bytes});
    return out;
  }
  if (good) {
    CAIRN_TRY(manifest_at, reader.index().find_object(RecordKind::blob, id));
  }
  if (!manifest_at) {
    if (!block_at) return make_error(ErrorCode::not_found, "no blob " + to_text(reader.digest_kind(), id));
    return inconsistent(reader.digest_kind(), "blob", id,
                        "has " + std::to_string(block_at->logical_bytes) + " bytes, not " + std::to_string(bytes));
  }
  CAIRN_TRY(const BlobManifest manifest, load_blob(reader, id));
  if (manifest.total_bytes != bytes) {
    return inconsistent(reader.digest_kind(), "blob", id,
                        "has " + std::to_string(manifest.total_bytes) + " bytes, not " + std::to_string(bytes));
  }
  return pieces_of(manifest);
}

FilePieces pieces_of(const BlobManifest& manifest) {
  FilePieces out{.total_bytes = manifest.total_bytes, .pieces = {}};
  out.pieces.reserve(manifest.blocks.size());
  std::uint64_t offset = 0;
  for (const BlockRef& block : manifest.blocks) {
    out.pieces.push_back(Piece{.block = block, .length = block.bytes, .offset = offset});
    offset += block.bytes;
  }
  return out;
}

Result<FilePieces> pieces_of_value(BlockReader& reader, const StateValue& value) {
  if (value.kind != RecordKind::tensor) return pieces_of_blob(reader, value.id, value.bytes);
  CAIRN_TRY(const TensorManifest tensor, load_tensor(reader, value.id));
  return pieces_of_blob(reader, tensor.blob, value.bytes);
}

Result<FilePieces> pieces_of_model(BlockReader& reader, const Digest& id) {
  CAIRN_TRY(const ModelManifest model, load_model(reader, id));
  return pieces_of_model(reader, id, model);
}

Result<FilePieces> pieces_of_model(BlockReader& reader, const Digest& id, const ModelManifest& model) {
  const PartsOfModel parts{
      .tensor = [&](const Digest& tensor) { return load_tensor(reader, tensor); },
      .blob = [&](const Digest& blob, std::uint64_t bytes) { return pieces_of_blob(reader, blob, bytes); }};
  return pieces_of_model(parts, reader.digest_kind(), id, model);
}

Result<FilePieces> pieces_of_model(const PartsOfModel& parts, DigestKind kind, const Digest& id,
                                   const ModelManifest& model) {
  FilePieces out{.total_bytes = model.total_bytes, .pieces = {}};
  CAIRN_TRY(FilePieces skeleton_pieces, parts.blob(model.skeleton, model.skeleton_bytes));
  SkeletonCursor skeleton(std::move(skeleton_pieces));
  std::uint64_t at = 0;
  for (const ModelTensor& entry : model.tensors) {
    if (!skeleton.take(entry.offset - at, at, out.pieces)) {
      return inconsistent(kind, "model", id, "its skeleton is too short");
    }
    at = entry.offset;
    if (entry.bytes == 0) continue;
    CAIRN_TRY(const TensorManifest tensor, parts.tensor(entry.tensor));
    CAIRN_TRY(const FilePieces blob, parts.blob(tensor.blob, entry.bytes));
    for (Piece piece : blob.pieces) {
      piece.offset += at;
      out.pieces.push_back(piece);
    }
    at += entry.bytes;
  }
  if (!skeleton.take(model.total_bytes - at, at, out.pieces) || !skeleton.exhausted()) {
    return inconsistent(kind, "model", id, "its skeleton has another length");
  }
  return out;
}

FilePieces pieces_behind(const FilePieces& file, std::uint64_t bytes) {
  FilePieces out{.total_bytes = file.total_bytes, .pieces = {}};
  for (Piece piece : file.pieces) {
    if (piece.offset + piece.length <= bytes) continue;
    const auto cut = static_cast<std::uint32_t>(piece.offset < bytes ? bytes - piece.offset : 0);
    piece.skip += cut;
    piece.offset += cut;
    piece.length -= cut;
    out.pieces.push_back(piece);
  }
  return out;
}

}  // namespace cairn
