// SPDX-License-Identifier: Apache-2.0
//
// Whether delta blocks that a check does not read have what they rely on.
#pragma once

#include <vector>

#include "engine/read/block_reader.h"
#include "engine/reclaim/findings.h"

namespace cairn {

struct CheckedBlock {
  Digest digest;
  RecordLocation at;
};

// A dead block whose base was reclaimed: the log may have it for a while, and an index that was rebuilt for
// reading knows it again. Nothing needs it.
Result<bool> outlived_its_base(BlockReader& reader, const CheckedBlock& delta);

// Reads heads alone. After all blocks were looked at: what is bad by now makes what relies on it bad.
Status check_bases(BlockReader& reader, const std::vector<CheckedBlock>& deltas, Findings& findings);

}  // namespace cairn
