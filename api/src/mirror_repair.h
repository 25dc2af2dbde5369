// SPDX-License-Identifier: Apache-2.0
//
// Mends a store with what a mirror has: whichever store put it there.
#pragma once

#include "api/src/store_impl.h"
#include "replication/object_storage.h"

namespace cairn {

// StoreImpl::repair(); then all that is damaged or missing still is fetched, verified, and written as new records,
// which take the place of the damaged ones. What the mirror lacks, or has damaged itself, stays as it is, and is among
// what the report calls damaged.
Result<RepairReport> repair_from(StoreImpl& store, ObjectStorage& storage, const Progress& progress);

}  // namespace cairn
