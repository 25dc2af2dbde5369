// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "api/src/store_impl.h"

namespace cairn {

// The newest version of every name, names with the oldest first version first: what came first is what others were made
// from. Without their tags.
Result<std::vector<RefRecord>> newest_by_age(StoreImpl& store);

}  // namespace cairn
