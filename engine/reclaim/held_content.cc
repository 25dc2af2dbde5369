// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/held_content.h"

#include "engine/index/keys.h"

namespace cairn {

Status HeldContent::find(const std::vector<Reference>& held, Index& index, ObjectParts& parts) {
  keys_.clear();
  bytes_.clear();
  const auto count = [this](const RecordLocation& at, std::uint64_t references) {
    if (references == 0) bytes_[at.segment] += use_of(at);
  };
  std::vector<Reference> pending = held;
  const auto add_parts = [&](const Digest& id, const RecordLocation& at) -> Status {
    if (!has_parts(at)) return {};
    CAIRN_TRY(const auto below, parts.parts_of(id, at));
    if (below) pending.insert(pending.end(), below->begin(), below->end());
    return {};
  };
  while (!pending.empty()) {
    const Reference next = pending.back();
    pending.pop_back();
    const bool shared = next.kind == RecordKind::block || next.kind == RecordKind::blob;
    if (!keys_.insert(count_key(next.kind, next.id)).second) continue;
    CAIRN_TRY(const std::uint64_t references, index.references(next.kind, next.id));
    if (shared) {
      CAIRN_TRY(const auto block, index.find_block(next.id));
      if (block) {
        count(*block, references);
        CAIRN_CHECK(add_parts(next.id, *block));
      }
    }
    CAIRN_TRY(const auto at, index.find_object(shared ? RecordKind::blob : next.kind, next.id));
    if (!at) continue;
    count(*at, references);
    CAIRN_CHECK(add_parts(next.id, *at));
  }
  return {};
}

bool HeldContent::contains(RecordKind kind, const Digest& id) const { return keys_.contains(count_key(kind, id)); }

std::uint64_t HeldContent::bytes_in(std::uint32_t segment) const {
  const auto found = bytes_.find(segment);
  return found == bytes_.end() ? 0 : found->second;
}

}  // namespace cairn
