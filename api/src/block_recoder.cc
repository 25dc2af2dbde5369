// SPDX-License-Identifier: Apache-2.0
#include "api/src/block_recoder.h"

#include <algorithm>
#include <unordered_map>

#include "engine/base/errors.h"
#include "engine/io/read_twice.h"
#include "engine/reclaim/findings.h"
#include "engine/write/delta_choice.h"

namespace cairn {
namespace {

BlockEncoder& thread_encoder() {
  thread_local BlockEncoder encoder;
  return encoder;
}

// What it is to cost that a block is decoded from others which are so themselves: an eighth of what it takes
// by itself for each read after the first.
std::int64_t price_of(std::size_t depth, std::uint64_t whole_bytes) {
  return depth < 2 ? 0 : static_cast<std::int64_t>((depth - 1) * whole_bytes / 8);
}

}  // namespace

std::uint64_t Recoded::stored_bytes() const {
  return payload.size() + (bases.empty() ? 0 : DeltaHead{.bases = bases}.encoded_bytes());
}

bool BlockRecoder::is_worth_it(const Recoded& now, const RecordLocation& before) const {
  if (now.whole) return has_parts(before);
  return now.cost() + std::max<std::int64_t>(1, before.stored_bytes / 16) <= before.stored_bytes;
}

Result<Recoded> BlockRecoder::recode(const ChosenBlock& block, std::size_t depth,
                                     const std::vector<CandidateBases>& candidates, bool whole) const {
  Recoded best;
  const auto read = read_twice([&] { return store_.blocks().read_block(block.digest); });
  if (!read.ok()) {
    best.gone = read.error().code == ErrorCode::not_found;
    best.damaged = read.error().code == ErrorCode::corruption || read.error().code == ErrorCode::io;
    if (best.damaged) {
      // Reclaimed meanwhile.
      CAIRN_TRY(const auto now, store_.index().find_block(block.digest));
      if (!now) best = Recoded{.gone = true};
    }
    if (best.gone || best.damaged) return best;
    return read.error();
  }
  std::uint64_t whole_bytes = block.at.logical_bytes;  // the least that it takes by itself
  const auto consider = [&](const Encoded& encoded, const CandidateBases& from) {
    Recoded other;
    other.codec = encoded.codec;
    other.payload.assign(encoded.payload.begin(), encoded.payload.end());
    other.bases = from.bases;
    other.whole = whole;
    other.deeper = price_of(from.depth, whole_bytes) - price_of(depth, whole_bytes);
    // What is to be whole is what it takes by itself, unless others save as much as is asked of what is whole now.
    const std::int64_t least = best.cost() - (whole && !from.bases.empty() ? best.cost() / 16 : 0);
    if ((best.payload.empty() || other.cost() < least) && is_worth_it(other, block.at)) best = std::move(other);
  };
  const auto consider_whole = [&](CodecChoice choice) {
    const EncodeOptions how{.choice = choice, .zstd_level = options_.level};
    const Encoded encoded = thread_encoder().encode(read->content, block.dtype, how);
    whole_bytes = std::min<std::uint64_t>(whole_bytes, encoded.payload.size());
    consider(encoded, {});
    return encoded.codec;
  };
  // Floats that are split into planes are smaller than any frame of them.
  const bool split = consider_whole(CodecChoice::automatic) == CodecId::float_split ||
                     block.at.codec == static_cast<int>(CodecId::float_split);
  if (!split) consider_whole(CodecChoice::zstd);
  std::unordered_map<Digest, Block> read_bases;
  const auto contents = [&](const std::vector<Digest>& bases) {
    std::vector<Bytes> found;
    for (const Digest& base : bases) found.push_back(read_bases.at(base).content);
    return found;
  };
  for (const CandidateBases& from : candidates) {
    for (const Digest& base : from.bases) {
      if (read_bases.contains(base)) continue;
      CAIRN_TRY(Block content, read_base(base));
      read_bases.emplace(base, std::move(content));
    }
    const Encoded encoded = thread_encoder().encode_delta(read->content, block.dtype, contents(from.bases));
    if (encoded.codec == CodecId::delta) consider(encoded, from);
  }
  if (!best.payload.empty() && !decodes_to(read->content, best.codec, best.payload, contents(best.bases))) {
    return make_error(ErrorCode::corruption, "block " + store_.id_text(block.digest) +
                                                 ": what it was encoded to does not decode to it; nothing is replaced");
  }
  return best;
}

// Empty when it is missing or damaged: nothing is the difference from that.
Result<Block> BlockRecoder::read_base(const Digest& base) const {
  auto read = read_twice([&] { return store_.blocks().read_block(base); });
  if (read.ok() || !is_damage(read.error())) return read;
  return Block{};
}

}  // namespace cairn
