// SPDX-License-Identifier: Apache-2.0
//
// What somebody relies on without a ref or a root, because it is written in part.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/index/index.h"

namespace cairn {

class HeldContent {
 public:
  // `held`, with everything below it: in place of what was held before.
  Status find(const std::vector<Reference>& held, Index& index, ObjectParts& parts);

  bool contains(RecordKind kind, const Digest& id) const;
  // Of what has no references, in a segment.
  std::uint64_t bytes_in(std::uint32_t segment) const;

 private:
  std::unordered_set<std::string> keys_;          // by count_key()
  std::map<std::uint32_t, std::uint64_t> bytes_;  // by segment
};

}  // namespace cairn
