// SPDX-License-Identifier: Apache-2.0
//
// The last step of a check: what users were promised, by a name or by an id, is there.
#pragma once

#include "engine/read/block_reader.h"
#include "engine/reclaim/findings.h"

namespace cairn {

// Every file of every version, and every object that was put directly. What is damaged is
// told by name.
Status check_promises(BlockReader& reader, const Progress& progress, Findings& findings);

}  // namespace cairn
