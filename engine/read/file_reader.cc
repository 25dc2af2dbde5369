// SPDX-License-Identifier: Apache-2.0
#include "engine/read/file_reader.h"

#include <optional>

#include "engine/base/errors.h"

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

// A piece on its way. Skeleton pieces are looked up later.
struct Step {
  Piece piece;
  ComingBlock block;
};

// Yields the pieces one by one, each that is not small being read already: the workers alone would keep only
// as many reads in flight as there are processors, and those none while they work.
auto steps_in_order(BlockReader& blocks, const FilePieces& file, const ProgressMeter& meter) {
  return [&blocks, &file, &meter, next = std::size_t{0}]() mutable -> Result<std::optional<Step>> {
    CAIRN_CHECK(meter.check_stop());
    if (next == file.pieces.size()) return std::optional<Step>();
    Step step{.piece = file.pieces[next++], .block = {}};
    if (!step.piece.skeleton) {
      CAIRN_TRY(step.block, blocks.begin_block(step.piece.block.digest));
    }
    return std::optional<Step>(std::move(step));
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
  return this->place(file, Digester(blocks_.digest_kind()), place, meter);
}

Result<Digest> FileReader::digest(const FilePieces& rest, Digester whole, ProgressMeter& meter) {
  const auto nowhere = [](std::uint64_t, Bytes) { return Status(); };
  return place(rest, std::move(whole), nowhere, meter);
}

Result<Digest> FileReader::place(const FilePieces& file, Digester whole, const PlaceBytes& place,
                                 ProgressMeter& meter) {
  SkeletonBlock skeleton(blocks_);
  const auto work = [&](Step& step) -> Result<Block> {
    const Piece& piece = step.piece;
    if (piece.skeleton) return Block{};
    // The digest of the whole tells of every wrong block, at half the price.
    CAIRN_TRY(Block block, blocks_.unverified_block(std::move(step.block)));
    CAIRN_TRY(const Bytes bytes, part_of(blocks_, block, piece));
    CAIRN_CHECK(place(piece.offset, bytes));
    return block;
  };
  const auto consume = [&](const Step& step, const Block& block) -> Status {
    const Piece& piece = step.piece;
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
  CAIRN_CHECK((parallel_in_order<Step, Block>(pool_, window(), steps_in_order(blocks_, file, meter), work, consume)));
  return whole.finish();
}

Status FileReader::scatter(const FilePieces& file, const PlaceBytes& place, ProgressMeter& meter) {
  struct Placed {};
  const auto work = [&](Step& step) -> Result<Placed> {
    CAIRN_INVARIANT(!step.piece.skeleton);
    CAIRN_TRY(const Block block, blocks_.finish_block(std::move(step.block)));
    CAIRN_TRY(const Bytes bytes, part_of(blocks_, block, step.piece));
    CAIRN_CHECK(place(step.piece.offset, bytes));
    return Placed{};
  };
  const auto consume = [&](const Step& step, const Placed&) -> Status {
    meter.add(step.piece.length);
    return {};
  };
  return parallel_in_order<Step, Placed>(pool_, window(), steps_in_order(blocks_, file, meter), work, consume);
}

Status FileReader::verify(const FilePieces& file, const std::stop_token& stop) {
  Progress quiet;
  quiet.stop = stop;
  ProgressMeter meter(quiet, "verify", file.total_bytes);
  const auto ignore = [](Bytes) { return Status(); };
  return stream(file, ignore, meter);
}

Status FileReader::stream(const FilePieces& file, const SinkBytes& sink, ProgressMeter& meter) {
  SkeletonBlock skeleton(blocks_);
  const auto work = [&](Step& step) -> Result<Block> {
    if (step.piece.skeleton) return Block{};
    return blocks_.finish_block(std::move(step.block));
  };
  const auto consume = [&](const Step& step, const Block& block) -> Status {
    const Piece& piece = step.piece;
    CAIRN_TRY(const Bytes bytes, piece.skeleton ? skeleton.part(piece) : part_of(blocks_, block, piece));
    CAIRN_CHECK(sink(bytes));
    meter.add(piece.length);
    return {};
  };
  return parallel_in_order<Step, Block>(pool_, window(), steps_in_order(blocks_, file, meter), work, consume);
}

}  // namespace cairn
