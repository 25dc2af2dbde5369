// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/check_bases.h"

#include "engine/index/block_chain.h"

namespace cairn {
namespace {

// Empty when nothing is.
Result<std::string> what_is_wrong(BlockReader& reader, const CheckedBlock& delta, const Findings& findings) {
  const auto id_text = [&](const Digest& digest) { return to_text(reader.digest_kind(), digest); };
  std::vector<CheckedBlock> pending{delta};
  for (std::size_t count = 0; !pending.empty();) {
    const CheckedBlock block = pending.back();
    pending.pop_back();
    const auto bases = reader.bases_of(block.digest, block.at);
    if (!bases.ok()) return is_damage(bases.error()) ? Result<std::string>(bases.error().message) : bases.error();
    for (const Reference& base : *bases) {
      CAIRN_TRY(const auto at, reader.index().find_block(base.id));
      if (!at) return "its base " + id_text(base.id) + " is missing";
      if (findings.bad_blocks.contains(base.id)) return "relies on block " + id_text(base.id) + ", which is damaged";
      if (++count > kChainBlocksMax) return "relies on more than " + std::to_string(kChainBlocksMax);
      pending.push_back({base.id, *at});
    }
  }
  return std::string();
}

}  // namespace

Result<bool> outlived_its_base(BlockReader& reader, const CheckedBlock& delta) {
  Index& index = reader.index();
  if (!has_parts(delta.at) || !index.counted()) return false;
  CAIRN_TRY(const auto doubt, index.doubt());
  if (doubt) return false;
  std::vector<Digest> pending{delta.digest};
  for (std::size_t count = 0; !pending.empty() && count <= kChainBlocksMax; ++count) {
    const Digest block = pending.back();
    pending.pop_back();
    CAIRN_TRY(const auto at, index.find_block(block));
    if (!at) return true;
    if (block == delta.digest && at->references > 0) return false;
    if (!has_parts(*at)) continue;
    const auto bases = reader.bases_of(block, *at);
    if (!bases.ok()) return is_damage(bases.error()) ? Result<bool>(false) : bases.error();
    for (const Reference& base : *bases) pending.push_back(base.id);
  }
  return false;
}

Status check_bases(BlockReader& reader, const std::vector<CheckedBlock>& deltas, Findings& findings) {
  for (const CheckedBlock& delta : deltas) {
    CAIRN_TRY(const std::string wrong, what_is_wrong(reader, delta, findings));
    if (wrong.empty()) continue;
    CAIRN_TRY(const auto now, reader.index().find_block(delta.digest));
    const bool there = now && now->segment == delta.at.segment && now->offset == delta.at.offset;
    if (!there) continue;  // written again, or reclaimed meanwhile
    CAIRN_TRY(const bool outlived, outlived_its_base(reader, delta));
    if (outlived) continue;
    const std::string id = to_text(reader.digest_kind(), delta.digest);
    findings.bad_blocks[delta.digest] =
        findings.damage("block " + id + " in segment " + std::to_string(delta.at.segment) + " at " +
                            std::to_string(delta.at.offset) + ": " + wrong,
                        id);
  }
  return {};
}

}  // namespace cairn
