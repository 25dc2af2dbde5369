// SPDX-License-Identifier: Apache-2.0
#include "api/src/arriving_content.h"

#include <utility>

#include "engine/base/errors.h"

namespace cairn {
namespace {

// Of skeletons, in memory; a file whose own is beyond that is read back.
constexpr std::uint64_t kSkeletonBytesMax = 64 * MiB;
// Of all that is expected: some 64 MiB of them. What is beyond that is read back.
constexpr std::size_t kPiecesMax = std::size_t{1} << 20;
// In one call, which nobody can stop: of a block that is there many times in a row.
constexpr std::uint64_t kBytesAtOnce = 64 * MiB;

// What a file is made of, as the manifests among these say.
class CameParts {
 public:
  explicit CameParts(const std::vector<const mirror::Content*>& objects) {
    for (const mirror::Content* object : objects) came_.emplace(object->id, object->payload);
  }

  // At most so many.
  Result<FilePieces> pieces_of(const mirror::Content& object, DigestKind digest, std::size_t pieces_max) const {
    std::size_t left = pieces_max;
    if (object.id.kind == mirror::kBlob) {
      CAIRN_TRY(const BlobManifest blob, decode_blob(object.payload));
      return pieces_of(blob, left);
    }
    CAIRN_TRY(const ModelManifest model, decode_model(object.payload));
    const PartsOfModel parts{
        .tensor = [this](const Digest& id) { return tensor(id); },
        .blob = [this, &left](const Digest& id, std::uint64_t bytes) { return blob(id, bytes, left); }};
    return pieces_of_model(parts, digest, object.id.digest, model);
  }

 private:
  Result<TensorManifest> tensor(const Digest& id) const {
    const auto at = came_.find({static_cast<std::uint8_t>(RecordKind::tensor), id});
    if (at == came_.end()) return make_error(ErrorCode::not_found, "the tensor did not come");
    return decode_tensor(at->second);
  }
  static Result<FilePieces> pieces_of(const BlobManifest& blob, std::size_t& left) {
    if (blob.blocks.size() > left) return make_error(ErrorCode::resource_exhausted, "too many pieces");
    left -= blob.blocks.size();
    return cairn::pieces_of(blob);
  }
  // What has no manifest is a block.
  Result<FilePieces> blob(const Digest& id, std::uint64_t bytes, std::size_t& left) const {
    if (const auto at = came_.find({mirror::kBlob, id}); at != came_.end()) {
      CAIRN_TRY(const BlobManifest blob, decode_blob(at->second));
      if (blob.total_bytes == bytes) return pieces_of(blob, left);
    }
    if (bytes > BlockReader::kBlockBytesMax) return make_error(ErrorCode::not_found, "the blob did not come");
    const auto length = static_cast<std::uint32_t>(bytes);
    return FilePieces{.total_bytes = bytes, .pieces = {{.block = {id, length}, .length = length}}};
  }

  std::unordered_map<mirror::ContentId, Bytes, mirror::ContentIdHash> came_;
};

}  // namespace

void ArrivingContent::expect(const mirror::ContentId& id, FilePieces pieces) {
  if (pieces.pieces.size() > kPiecesMax - pieces_) return;
  pieces_ += pieces.pieces.size();
  for (const Piece& piece : pieces.pieces) {
    if (piece.skeleton) skeletons_.try_emplace(piece.block.digest);
  }
  const auto [at, fresh] = expected_.try_emplace(
      id, Expected{.id = id, .pieces = std::move(pieces), .next = 0, .digester = Digester(digest_)});
  std::uint64_t bytes_left = kBytesAtOnce;
  if (fresh) advance(at->second, nullptr, {}, bytes_left);
}

void ArrivingContent::expect(const std::vector<const mirror::Content*>& objects) {
  const CameParts parts(objects);
  for (const mirror::Content* object : objects) {
    const auto kind = static_cast<RecordKind>(object->id.kind);
    if (kind != RecordKind::blob && kind != RecordKind::model) continue;
    auto pieces = parts.pieces_of(*object, digest_, kPiecesMax - pieces_);
    // Whoever verifies it tells what is wrong.
    if (pieces.ok()) expect(object->id, std::move(pieces).value());
  }
}

void ArrivingContent::take(const Digest& block, Bytes content) {
  const auto skeleton = skeletons_.find(block);
  if (skeleton != skeletons_.end() && skeleton->second.empty() &&
      skeleton_bytes_ + content.size() <= kSkeletonBytesMax) {
    skeleton->second.assign(content.begin(), content.end());
    skeleton_bytes_ += content.size();
  }
  const auto waiting = waiting_.extract(block);
  if (waiting.empty()) return;
  std::uint64_t bytes_left = kBytesAtOnce;
  for (const mirror::ContentId& id : waiting.mapped()) {
    const auto at = expected_.find(id);
    if (at != expected_.end()) advance(at->second, &block, content, bytes_left);
  }
}

void ArrivingContent::advance(Expected& one, const Digest* block, Bytes content, std::uint64_t& bytes_left) {
  for (; one.next < one.pieces.pieces.size(); ++one.next) {
    const Piece& piece = one.pieces.pieces[one.next];
    Bytes whole;
    if (block != nullptr && piece.block.digest == *block) {
      whole = content;
    } else if (const auto skeleton = skeletons_.find(piece.block.digest); skeleton != skeletons_.end()) {
      whole = skeleton->second;
    }
    if (whole.empty()) {
      waiting_[piece.block.digest].push_back(one.id);
      return;
    }
    // Whoever reads it tells what is wrong.
    if (whole.size() != piece.block.bytes || std::uint64_t{piece.skip} + piece.length > whole.size()) return;
    if (piece.length > bytes_left) return;
    bytes_left -= piece.length;
    one.digester.update(whole.subspan(piece.skip, piece.length));
  }
}

std::optional<ArrivingContent::Begun> ArrivingContent::end(const mirror::ContentId& id) {
  auto expected = expected_.extract(id);
  if (expected.empty()) return std::nullopt;
  Expected& one = expected.mapped();
  const std::vector<Piece>& pieces = one.pieces.pieces;
  const bool all = one.next == pieces.size();
  return Begun{
      .digester = std::move(one.digester), .bytes = all ? one.pieces.total_bytes : pieces[one.next].offset, .all = all};
}

}  // namespace cairn
