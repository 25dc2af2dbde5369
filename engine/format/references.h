// SPDX-License-Identifier: Apache-2.0
//
// What an object is made of, and a delta block the difference from: the one place that says which records keep which
// others.
#pragma once

#include <vector>

#include "engine/format/manifest.h"

namespace cairn {

// The references in an object's payload, once for each time they occur. A snapshot does
// not keep its parent: each version has a name of its own. ErrorCode::corruption or
// unsupported when the payload cannot be decoded.
Result<std::vector<Reference>> references_of(RecordKind kind, Bytes payload);
// The same of the delta block `block`, whose payload may be cut off after its head: its bases.
Result<std::vector<Reference>> bases_in(Bytes payload, const Digest& block);

}  // namespace cairn
