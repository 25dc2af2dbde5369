// SPDX-License-Identifier: Apache-2.0
//
// Brings what a mirror has into a store: statements that are wanted, and of what they need whatever the store does not
// have. What is there already is not asked for; nothing is said before all that it needs is committed.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "replication/destination.h"
#include "replication/fetch.h"
#include "replication/journal.h"

namespace cairn::mirror {

struct PullReport {
  std::uint64_t statements = 0;
  std::uint64_t records = 0;  // blocks and objects that were fetched
  FetchCounters fetched;
};

struct PullOptions {
  FetchOptions fetch = {};
  // Called on the calling thread now and then; its error ends the pull.
  std::function<Status(const PullReport& so_far)> progress = {};
};

// One pull. Owned by one thread.
class Puller {
 public:
  // `index` is of the bucket, and up to date with the journals that the statements are from.
  Puller(Destination& store, ObjectStorage& storage, const Formats& formats, const PackIndex& index,
         PullOptions options);

  // Commits all that `statements` need, then says them. After a failure what was committed stays, for the next pull or
  // for reclaiming. corruption: the mirror does not have what it says, or not as it was put.
  Status pull(std::span<const Statement> statements);
  // Commits what the store lacks, or has damaged, of `wanted` and of what that relies on. What the mirror lacks too is
  // in the result.
  Result<std::vector<ContentId>> heal(std::vector<ContentId> wanted);
  const PullReport& report() const noexcept { return report_; }

 private:
  // What is wanted, in the order of the bytes that it stands for; of what is to be fetched it is known where that is.
  struct Wanted {
    ContentId id;
    std::optional<PackIndex::Place> place = {};
  };
  Status bring_objects(const std::vector<ContentId>& wanted);
  // Adds what is not in the store to `lacking`; of what is there the parts are looked at.
  Status sort_out(const ContentId& wanted, std::vector<Wanted>& lacking);
  Status bring_blocks();
  Status put(const Content& content);

  Destination& store_;
  ObjectStorage& storage_;
  const Formats& formats_;
  const PackIndex& index_;
  const PullOptions options_;
  PullReport report_;
  std::unordered_set<ContentId, ContentIdHash> seen_;
  std::vector<PackIndex::Place> blocks_;  // to be fetched, in the order of the files that they are of
  bool heals_ = false;
  std::vector<ContentId> lacking_;  // in the mirror as well
};

}  // namespace cairn::mirror
