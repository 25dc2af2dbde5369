// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/read/block_reader.h"

namespace cairn {

// An object's payload as it came from wherever: whether it can be decoded, and has this id where that follows from its
// bytes, which for a blob and a model file it does not.
Status verify_payload(DigestKind digest, RecordKind kind, const Digest& id, Bytes payload);

// Reads and decodes an object, and computes its id anew where that follows from its bytes:
// an error when it is not what was put.
Status verify_object(BlockReader& reader, const Digest& id, const RecordLocation& at);

}  // namespace cairn
