// SPDX-License-Identifier: Apache-2.0
//
// Whether content that the index knows is known whole: for those who would take its parts for
// granted, while something is quarantined.
#pragma once

#include <unordered_map>

#include "engine/read/block_reader.h"

namespace cairn {

// Owned by one thread. Remembers what it has looked at: for one call, while nothing else writes.
class WholeContent {
 public:
  // `quarantined`: whether what is damaged is good enough, as long as it is there.
  explicit WholeContent(BlockReader& reader, bool quarantined = false) : reader_(reader), quarantined_(quarantined) {}

  // False when a part of it is quarantined, missing, or an object that cannot be read. Reads
  // manifests and heads, no blocks.
  Result<bool> is_whole(const Reference& content);

 private:
  Result<bool> is_whole_block(const Digest& digest, const std::optional<RecordLocation>& at);
  Result<bool> has_whole_parts(RecordKind kind, const Digest& id);

  BlockReader& reader_;
  const bool quarantined_;
  std::unordered_map<std::string, bool> known_;  // by count_key()
};

}  // namespace cairn
