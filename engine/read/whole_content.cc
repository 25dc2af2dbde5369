// SPDX-License-Identifier: Apache-2.0
#include "engine/read/whole_content.h"

#include <vector>

#include "engine/index/block_chain.h"
#include "engine/index/keys.h"

namespace cairn {

// A blob is one block, or the parts of its manifest. References of objects have no cycles: what
// refers to something has its digest in its own.
Result<bool> WholeContent::is_whole(const Reference& content) {
  const bool blob = content.kind == RecordKind::block || content.kind == RecordKind::blob;
  const std::string key =
      content.kind == RecordKind::block ? block_key(content.id) : object_key(content.kind, content.id);
  if (const auto known = known_.find(key); known != known_.end()) return known->second;
  bool whole = false;
  if (blob) {
    CAIRN_TRY(const auto block, reader_.index().find_block(content.id));
    CAIRN_TRY(whole, is_whole_block(content.id, block));
  }
  if (!whole && content.kind != RecordKind::block) {
    CAIRN_TRY(whole, has_whole_parts(content.kind, content.id));
  }
  if (whole || content.kind != RecordKind::block) known_.emplace(key, whole);
  return whole;
}

// A delta block with all that it relies on: no more than readers take.
Result<bool> WholeContent::is_whole_block(const Digest& digest, const std::optional<RecordLocation>& at) {
  const auto is_there = [this](const std::optional<RecordLocation>& block) {
    return block && (!block->quarantined || quarantined_);
  };
  if (!is_there(at)) return false;
  std::vector<std::pair<Digest, RecordLocation>> pending{{digest, *at}};
  for (std::size_t count = 0; !pending.empty();) {
    const auto [block, place] = pending.back();
    pending.pop_back();
    if (!has_parts(place)) continue;
    const auto bases = reader_.bases_of(block, place);
    if (!bases.ok()) {
      const bool damage = bases.error().code == ErrorCode::corruption || bases.error().code == ErrorCode::io;
      if (!damage) return bases.error();
      if (!quarantined_) return false;
      continue;
    }
    for (const Reference& base : *bases) {
      CAIRN_TRY(const auto base_at, reader_.index().find_block(base.id));
      if (++count > kChainBlocksMax || !is_there(base_at)) return false;
      pending.emplace_back(base.id, *base_at);
    }
  }
  return true;
}

Result<bool> WholeContent::has_whole_parts(RecordKind kind, const Digest& id) {
  CAIRN_TRY(const auto at, reader_.index().find_object(kind, id));
  if (!at) return false;
  if (at->quarantined) return quarantined_;
  const auto payload = reader_.read_object_at(id, *at);
  if (!payload.ok()) {
    if (payload.error().code == ErrorCode::corruption || payload.error().code == ErrorCode::io) return quarantined_;
    return payload.error();
  }
  const auto parts = references_of(kind, *payload);
  if (!parts.ok()) return quarantined_;
  for (const Reference& part : *parts) {
    CAIRN_TRY(const bool whole, is_whole(part));
    if (!whole) return false;
  }
  return true;
}

}  // namespace cairn
