// SPDX-License-Identifier: Apache-2.0
#include "engine/reclaim/carried.h"

#include <utility>

#include "engine/base/errors.h"

namespace cairn {

// Refs and roots come out of the log in the order in which they went in.
IndexBatch Carried::take(const LogWriter::Synced& synced, const std::optional<ReclaimedRecord>& reclaimed) {
  IndexBatch batch;
  for (const auto& [segment, record] : synced.records) {
    const RecordPlace place{segment, record.payload_offset};
    if (record.kind == RecordKind::ref) {
      CAIRN_INVARIANT(!refs.empty());
      batch.refs.emplace_back(std::move(refs.front()), place);
      refs.pop_front();
    } else if (record.kind == RecordKind::roots) {
      CAIRN_INVARIANT(!roots.empty());
      for (Root& root : roots.front()) batch.roots.emplace_back(std::move(root), place);
      roots.pop_front();
    } else if (record.kind == RecordKind::entries) {
      CAIRN_INVARIANT(!entries.empty());
      for (StoredEntry& entry : entries.front().entries) batch.entries.emplace_back(std::move(entry), place);
      entries.pop_front();
    } else if (record.kind == RecordKind::reclaimed) {
      CAIRN_INVARIANT(reclaimed.has_value());
      batch.reclaimed.emplace(*reclaimed, place);
    } else {
      batch.records.push_back({record.key, location_of(segment, record)});
    }
  }
  if (synced.end_segment > 0) batch.applied = Position{synced.end_segment, synced.end_offset};
  batch.next_sequence = synced.next_sequence;
  batch.dropped = std::exchange(dropped, {});
  return batch;
}

}  // namespace cairn
