// SPDX-License-Identifier: Apache-2.0
//
// What an object has besides its bytes, as headers of requests and replies.
#pragma once

#include <vector>

#include "cairn/result.h"
#include "replication/s3/client.h"

namespace cairn::s3 {

// invalid_argument names the metadata that no header can carry.
Result<std::vector<Header>> headers_of(const ObjectOptions& options);
// A transient error where the reply does not tell the size.
Result<ObjectInfo> info_of(const HttpReply& reply);
// Whether something was put: not where a body tells of an error behind the header of success, or comes from somebody on
// the way who is no S3 and gives no ETag. A transient error.
Status check_put(const HttpReply& reply);

}  // namespace cairn::s3
