// SPDX-License-Identifier: Apache-2.0
//
// What a store says, as rows: one statement at a time, each by itself.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "api/src/store_impl.h"
#include "replication/content.h"
#include "replication/postgres/batch.h"

namespace cairn {

// Whether a statement could not be read or has no place in a database, so that it is left out.
bool is_unreadable(const Error& error);
// The note of that.
postgres::LeftOutRow left_out_row(const mirror::Statement& statement, const Error& why);

// Owned by one thread. What statements refer to is read from the store.
class PostgresRows {
 public:
  // Borrows the store, which stays open.
  explicit PostgresRows(StoreImpl& store) : store_(store) {}

  // Says in `batch` what `statement` says; nothing of what is not mirrored: roots, operations, accesses, and what
  // follows from evaluations. Batches may come one after the other. On failure the batch has nothing of it: corruption
  // and the like say that it cannot be read here, invalid_argument that PostgreSQL has no place for it.
  Status add(const mirror::Statement& statement, postgres::Batch& batch);
  // Behind a batch: the next one relies on nothing that was said before.
  void begin_batch() { said_models_.clear(); }

 private:
  Status add_entry(const mirror::Statement& statement, postgres::Batch& batch);
  Status add_result(const StoredEntry& entry, postgres::Batch& batch);
  Status add_experiment(const StoredEntry& entry, postgres::Batch& batch);
  Status add_of_experiment(const StoredEntry& entry, postgres::Batch& batch);
  Status add_metrics(const StoredEntry& entry, postgres::Batch& batch);
  Status add_ref(const RefRecord& ref, postgres::Batch& batch);
  // Of a model file or a state.
  Result<std::vector<postgres::TensorRow>> tensors_of(const TreeEntry& file) const;
  postgres::Bytes id(const Digest& digest) const;
  Result<std::string> content_of(const StoredEntry& entry);

  StoreImpl& store_;
  std::unordered_set<Digest> said_models_;  // in this batch
};

}  // namespace cairn
