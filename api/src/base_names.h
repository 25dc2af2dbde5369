// SPDX-License-Identifier: Apache-2.0
//
// Says in words what the delta blocks of tensors rely on.
#pragma once

#include <optional>

#include "api/src/store_impl.h"

namespace cairn {

// Fills TensorInfo::bases. Whose blocks they are is looked for in tensors of the same names, in the versions next
// to `shown` and the newest of other names, some 64 in all. What cannot be read is passed over: check() names it.
Status name_bases(StoreImpl& store, const std::optional<RefRecord>& shown, std::vector<TensorInfo>& tensors);

}  // namespace cairn
