// SPDX-License-Identifier: Apache-2.0
//
// How a checkpoint is found in the store.
#pragma once

#include "api/src/store_impl.h"
#include "cairn/checkpoints.h"

namespace cairn {

// `name` is that of the experiment's refs. not_found when there is no such generation.
Result<RefRecord> find_checkpoint(StoreImpl& store, const std::string& name, std::uint64_t generation);

}  // namespace cairn
