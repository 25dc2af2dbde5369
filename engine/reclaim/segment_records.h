// SPDX-License-Identifier: Apache-2.0
//
// What a segment holds, as well as can be told.
#pragma once

#include "engine/index/index.h"
#include "engine/log/segment_scan.h"

namespace cairn {

struct SegmentRecords {
  // From the table; from the groups' heads, when there is none; or, when those are damaged, the
  // blocks and objects that the index has there, in the order of their places.
  std::vector<RecordDescriptor> records;
  // Set in the last case: refs, roots and what is no longer needed are left out.
  std::string damage;
  // There was no table to be read, and it is not the end of the log: it may have had more records.
  bool may_lack = false;
  // Where a bad sector is in the table, its footer, or in a head without them. Such a segment is
  // not to be removed: nobody knows what else it says.
  std::string unreadable;
};
Result<SegmentRecords> records_of(const OpenSegment& segment, Index& index);

}  // namespace cairn
