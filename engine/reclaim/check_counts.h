// SPDX-License-Identifier: Apache-2.0
//
// A step of a check: what the index counts as live is what can be reached.
#pragma once

#include "engine/read/block_reader.h"
#include "engine/reclaim/findings.h"

namespace cairn {

// Marks everything from the refs and roots, and compares the index's counts and live bytes
// with that. Needs memory in proportion to the blocks. Says nothing where objects were found
// damaged, which cannot be marked through, and where a writer changes the index all the while.
Status check_counts(BlockReader& reader, const Progress& progress, Findings& findings);

}  // namespace cairn
