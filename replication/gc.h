// SPDX-License-Identifier: Apache-2.0
//
// Gives a bucket's room back, beside whoever pushes to it and pulls from it, and heals what is damaged there: what no
// store needs any more is first noted as outgoing, with the packs that have too much of it, and removed by a later
// call. docs/decisions/0014-reclaiming-a-mirror.md argues why nothing is lost.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "replication/object_storage.h"
#include "replication/pack.h"

namespace cairn::mirror {

struct GcReport {
  std::uint64_t stores = 0, statements = 0;
  std::uint64_t packs = 0, pack_bytes = 0;  // that are there, without those noted before
  std::uint64_t live_bytes = 0;             // of blocks and objects that are needed
  // What was copied, because it was in packs that are noted as outgoing now.
  std::uint64_t copied_records = 0, copied_bytes = 0;
  std::uint64_t noted_packs = 0, noted_bytes = 0;
  // Noted before, and still too young to be removed.
  std::uint64_t waiting_notes = 0;
  std::uint64_t removed_packs = 0, removed_bytes = 0, removed_indexes = 0, removed_journals = 0;
  std::uint64_t requests = 0;  // that read content
  // Blocks and objects that are needed and can be read nowhere, in words; at most kLostMax. Statements that need them
  // are noted as left out of their stores: a push puts again what its store has.
  std::vector<std::string> lost;
  static constexpr std::size_t kLostMax = 100;
};

struct GcOptions {
  // Of a pack's bytes, those that nothing needs: with more of them than this, what is needed is copied.
  double max_dead = 0.2;
  // What is noted is removed by a call that comes at least this much later, by the remote's clock. Longer than any
  // reader reads, and much longer than a request may take. Zero: this call removes it, and nobody else uses the mirror.
  std::chrono::seconds grace = std::chrono::hours(24);
  // Looks at every byte of every pack, rather than at those that are read anyway.
  bool read_data = false;
  // Says what would be done, and changes nothing.
  bool dry_run = false;
  std::size_t parallel = 4;
  std::uint32_t pack_bytes = Pack::kBytesUsual;
  // Called on the calling thread now and then; its error ends it.
  std::function<Status(const GcReport& so_far)> progress = {};
};

// corruption: what a store says cannot be read, so that nobody can tell what it needs. conflict: somebody else reclaims
// the same mirror now. unsupported: the remote does not say when something was put. After a failure the mirror is as
// true as it was, and the next call goes on.
Result<GcReport> gc(ObjectStorage& storage, const Formats& formats, const GcOptions& options);

}  // namespace cairn::mirror
