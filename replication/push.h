// SPDX-License-Identifier: Apache-2.0
//
// Brings a bucket up to date with a store: what the store says, behind where the mirror ends, and everything that this
// needs and the bucket does not have, from whichever store. Content first, then the index of it, then the journal: a
// push that ends anywhere leaves a mirror that is true, and the next goes on where its last index was put.
//
// Others may be reclaiming meanwhile: right before an index or a journal is put, the Pusher looks whether anything was
// noted as outgoing since it learned what the bucket has, and if so begins again, with what counts by then.
#pragma once

#include <chrono>
#include <vector>

#include "replication/journal.h"
#include "replication/object_storage.h"
#include "replication/pack.h"
#include "replication/pack_index.h"
#include "replication/push_report.h"
#include "replication/source.h"

namespace cairn::mirror {

struct PushOptions {
  std::size_t parallel = 4;  // packs under way, each in memory
  std::uint32_t pack_bytes = Pack::kBytesUsual;
  std::size_t journal_bytes = 8u << 20;  // of statements in one
  // Packs are part of an index when so many are there: what an interrupted push need not put again.
  std::size_t packs_per_index = 32;
  std::size_t records_per_index = 1u << 18;
  PushProgress progress = {};
};

// One store's way into one bucket. Owned by one thread. It remembers what the bucket has: a further push() asks only
// for what is new. After a failure everything that was put is found again, and push() may be repeated.
class Pusher {
 public:
  Pusher(Source& source, ObjectStorage& storage, const Formats& formats, PushOptions options);
  ~Pusher();
  Pusher(const Pusher&) = delete;
  Pusher& operator=(const Pusher&) = delete;

  // conflict: the mirror's journals are of a log that this store's is not, or not any more: another copy of the store
  // pushes to the same place, or this one was brought back from an older copy.
  Result<PushReport> push();

 private:
  class Run;

  Status begin();
  Status compare_history();

  Source& source_;
  ObjectStorage& storage_;
  const Formats& formats_;
  const PushOptions options_;
  bool begun_ = false;
  Outgoing outgoing_;  // as of when index_ was read
  PackIndex index_;
  JournalList journals_;
  Cursor scanned_;                   // the log behind the journals' end, as far as it says nothing
  std::vector<Statement> left_out_;  // as the bucket has it
  std::vector<Statement> lost_;      // the same, when it began
};

}  // namespace cairn::mirror
