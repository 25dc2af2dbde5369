// SPDX-License-Identifier: Apache-2.0
//
// What a push did, whatever kind of mirror it was to.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "replication/content.h"

namespace cairn::mirror {

struct PushReport {
  std::uint64_t statements = 0;     // that were put
  std::uint64_t packs = 0;          // that were put
  std::uint64_t records = 0;        // blocks and objects in them
  std::uint64_t content_bytes = 0;  // payloads in them
  std::uint64_t rows = 0;           // of a database, that were written or removed
  std::uint64_t sent_bytes = 0;     // of packs, indexes and journals, or of rows
  std::uint64_t requests = 0;       // those that put them, or transactions
  std::uint64_t begun_again = 0;    // since something was noted as outgoing
  // Why statements could not be mirrored now: what they need cannot be read here, or is too large. The mirror keeps a
  // note of them, and the next push tries them again.
  std::vector<std::string> left_out;
  Cursor to;
};

// Called on the pushing thread now and then; its error ends the push.
using PushProgress = std::function<Status(const PushReport& so_far)>;

}  // namespace cairn::mirror
