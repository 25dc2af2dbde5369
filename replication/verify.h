// SPDX-License-Identifier: Apache-2.0
//
// Whether what a bucket has is all there, and what it was: every journal, index and object, and with `read_data` every
// byte of every pack.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "replication/object_storage.h"
#include "replication/pack_index.h"

namespace cairn::mirror {

struct VerifyReport {
  std::uint64_t stores = 0, statements = 0, packs = 0, records = 0;
  std::uint64_t pack_bytes = 0;  // of all packs
  std::uint64_t bytes_read = 0;
  // What is wrong, in words that name it; at most kProblemsMax.
  std::vector<std::string> problems;
  static constexpr std::size_t kProblemsMax = 100;
};

struct VerifyOptions {
  bool read_data = false;
  std::size_t parallel = 4;
  // Called on the calling thread now and then; its error ends it.
  std::function<Status(const VerifyReport& so_far)> progress = {};
};

// Without `read_data`: every statement of every store is decoded and every object that it needs read, decoded and
// followed to blocks that some index has, in a pack that is there with its size. An error is one of asking; what is
// found to be wrong is in the report.
Result<VerifyReport> verify(ObjectStorage& storage, const Formats& formats, const VerifyOptions& options);

}  // namespace cairn::mirror
