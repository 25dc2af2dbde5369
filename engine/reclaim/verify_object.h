// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/read/block_reader.h"

namespace cairn {

// Reads and decodes an object, and computes its id anew where that follows from its bytes:
// an error when it is not what was put.
Status verify_object(BlockReader& reader, const Digest& id, const RecordLocation& at);

}  // namespace cairn
