// SPDX-License-Identifier: Apache-2.0
//
// What a check has found so far: the report, and what its later steps must know of it.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "cairn/store.h"
#include "engine/base/bytes.h"
#include "engine/content/digester.h"

namespace cairn {

// An error that is about what is stored, not about this call.
inline bool is_damage(const Error& error) {
  return error.code == ErrorCode::corruption || error.code == ErrorCode::not_found || error.code == ErrorCode::io ||
         error.code == ErrorCode::unsupported;
}

// Owned by one thread.
struct Findings {
  CheckReport report;
  std::unordered_map<std::uint32_t, std::uint64_t> segment_bytes;  // by number
  std::unordered_map<Digest, std::size_t> bad_blocks;              // to their place in report.damaged

  // Returns its place in report.damaged.
  std::size_t damage(std::string what, std::string id = {}) {
    report.damaged.push_back(Damage{.what = std::move(what), .id = std::move(id), .affected = {}});
    return report.damaged.size() - 1;
  }
  // The end of a walk over the index: damage there ends the walk, not the check.
  Status walked(Status status) {
    if (status.ok() || !is_damage(status.error())) return status;
    damage("index: " + status.error().message);
    return {};
  }
};

}  // namespace cairn
