// SPDX-License-Identifier: Apache-2.0
#include "engine/read/file_reader.h"

#include <optional>

#include "engine/base/errors.h"
#include "engine/content/digester.h"

namespace cairn {
namespace {

// The piece's bytes of its block.
Result<Bytes> part_of(const BlockReader& reader, const Block& block, const Piece& piece) {
  if (std::uint64_t{piece.skip} + piece.length > block.content.size()) {
    return make_error(ErrorCode::corruption, "block " + to_text(reader.digest_kind(), piece.block.digest) + " has " +
                                                 std::to_string(block.content.size()) + " bytes, too few");
  }
  return block.content.subspan(piece.skip, piece.length);
}

// Yields the pieces one by one.
auto pieces_in_order(const FilePieces& file, const ProgressMeter& meter) {
  return [&file, &meter, at = std::size_t{0}]() mutable -> Result<std::optional<Piece>> {
    CAIRN_CHECK(meter.check_stop());
    if (at == file.pieces.size()) return std::optional<Piece>();
    return std::optional<Piece>(file.pieces[at++]);
  };
}

// Skeleton pieces come from few blocks: the last one is kept.
class SkeletonBlock {
 public:
  explicit SkeletonBlock(BlockReader& blocks) : blocks_(blocks) {}
  Result<Bytes> part(const Piece& piece) {
    if (!held_ || digest_ != piece.block.digest) {
      CAIRN_TRY(Block block, blocks_.read_block(piece.block.digest));
      held_ = std::move(block);
      digest_ = piece.block.digest;
    }
    return part_of(blocks_, *held_, piece);
  }

 private:
  BlockReader& blocks_;
  std::optional<Block> held_;
  Digest digest_;
};

}  // namespace

Result<Digest> FileReader::place(const FilePieces& file, const PlaceBytes& place, ProgressMeter& meter) {
  Digester whole(blocks_.digest_kind());
  SkeletonBlock skeleton(blocks_);
  const auto work = [&](Piece& piece) -> Result<Block> {
    if (piece.skeleton) return Block{};
    CAIRN_TRY(Block block, blocks_.read_block(piece.block.digest));
    CAIRN_TRY(const Bytes bytes, part_of(blocks_, block, piece));
    CAIRN_CHECK(place(piece.offset, bytes));
    return block;
  };
  const auto consume = [&](Piece piece, Block block) -> Status {
    if (piece.skeleton) {
      CAIRN_TRY(const Bytes bytes, skeleton.part(piece));
      CAIRN_CHECK(place(piece.offset, bytes));
      whole.update(bytes);
    } else {
      whole.update(block.content.subspan(piece.skip, piece.length));
    }
    meter.add(piece.length, piece.length);
    return {};
  };
  CAIRN_CHECK((parallel_in_order<Piece, Block>(pool_, window(), pieces_in_order(file, meter), work, consume)));
  return whole.finish();
}

Status FileReader::stream(const FilePieces& file, const SinkBytes& sink, ProgressMeter& meter) {
  SkeletonBlock skeleton(blocks_);
  const auto work = [&](Piece& piece) -> Result<Block> {
    if (piece.skeleton) return Block{};
    return blocks_.read_block(piece.block.digest);
  };
  const auto consume = [&](Piece piece, Block block) -> Status {
    CAIRN_TRY(const Bytes bytes, piece.skeleton ? skeleton.part(piece) : part_of(blocks_, block, piece));
    CAIRN_CHECK(sink(bytes));
    meter.add(piece.length);
    return {};
  };
  return parallel_in_order<Piece, Block>(pool_, window(), pieces_in_order(file, meter), work, consume);
}

}  // namespace cairn
