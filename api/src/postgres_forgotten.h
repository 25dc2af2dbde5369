// SPDX-License-Identifier: Apache-2.0
//
// What a database has of a store and the store does not say any more, when nothing in the log may tell: reclaiming
// drops what removed it.
#pragma once

#include <functional>

#include "replication/postgres/batch.h"
#include "replication/postgres/connection.h"
#include "replication/source.h"

namespace cairn {

// Asks the store for each row that the database has of it, and removes in `batch` those that it does not say. `removed`
// is called behind each removal, and may write the batch and begin it anew.
Status add_forgotten_removals(mirror::Source& source, postgres::Connection& connection, postgres::Batch& batch,
                              const std::function<Status()>& removed);

}  // namespace cairn
