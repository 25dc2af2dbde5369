// SPDX-License-Identifier: Apache-2.0
//
// What reclaiming has appended, and what it has found dead, until the index knows.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "engine/index/index.h"
#include "engine/log/log_writer.h"

namespace cairn {

struct Carried {
  std::vector<Reference> dropped;
  std::deque<RefRecord> refs;
  std::deque<std::vector<Root>> roots;  // by record
  std::deque<EntriesRecord> entries;
  std::uint64_t bytes = 0;  // of all payloads, those that the index knows as well

  // What the index is to learn of a sync, and of what was dropped: which is out of here then.
  IndexBatch take(const LogWriter::Synced& synced, const std::optional<ReclaimedRecord>& reclaimed);
};

}  // namespace cairn
