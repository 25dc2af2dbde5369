// SPDX-License-Identifier: Apache-2.0
//
// Reads blocks and objects out of packs: those that lie near each other with one request, several requests at a time.
#pragma once

#include <functional>
#include <vector>

#include "replication/object_storage.h"
#include "replication/pack_index.h"

namespace cairn::mirror {

struct FetchOptions {
  std::size_t parallel = 8;
  // What one request reads at most, unless a single payload is larger.
  std::uint64_t request_bytes = 8u << 20;
  // What lies between two payloads is read along up to here: cheaper than a request of its own.
  std::uint64_t gap_bytes = 128u << 10;
};

struct FetchCounters {
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;  // with what lay between
};

// Hands every one of `places` to `take`, in the order in which they lie in their packs, these in the order in which
// `places` name them first. The payload is as it came: hostile, and borrowed for the call. corruption names a pack that
// is missing or ends before.
using TakeContent = std::function<Status(const Content& content)>;
// Looks at what came before it is taken: on the threads of the requests, several at a time, while others are on their
// way. Its error ends the fetch.
using CheckContent = std::function<Status(Content& content)>;
Status fetch(ObjectStorage& storage, const Formats& formats, std::vector<PackIndex::Place> places,
             const FetchOptions& options, FetchCounters& counters, const TakeContent& take,
             const CheckContent& check = {});

}  // namespace cairn::mirror
