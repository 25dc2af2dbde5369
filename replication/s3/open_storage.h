// SPDX-License-Identifier: Apache-2.0
//
// S3 storage with all that it works with.
#pragma once

#include <memory>

#include "cairn/result.h"
#include "replication/object_storage.h"
#include "replication/s3/open_client.h"

namespace cairn::s3 {

// Asks nothing yet: the first call of the storage does. Any thread may call it; connections are kept between calls.
Result<std::unique_ptr<ObjectStorage>> open_storage(const StorageAddress& address);

}  // namespace cairn::s3
