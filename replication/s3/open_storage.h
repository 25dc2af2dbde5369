// SPDX-License-Identifier: Apache-2.0
//
// S3 storage with all that it works with, as this process's surroundings have it: connections, credentials, the time.
#pragma once

#include <memory>
#include <string>

#include "cairn/result.h"
#include "replication/object_storage.h"

namespace cairn::s3 {

struct StorageAddress {
  std::string url;         // "s3://bucket/prefix"
  std::string endpoint{};  // empty: Amazon's own for the region
  std::string region{};    // empty: what the environment and ~/.aws say, or us-east-1
  std::string ca_file{};   // in PEM; empty: what the platform trusts
  bool create_bucket = false;
};

// An address that makes sense, or why not. Asks nothing.
Status check_address(const StorageAddress& address);

// Asks nothing yet: the first call of the storage does. Any thread may call it; connections are kept between calls.
Result<std::unique_ptr<ObjectStorage>> open_storage(const StorageAddress& address);

}  // namespace cairn::s3
