// SPDX-License-Identifier: Apache-2.0
//
// How a batch gets into its tables, inside a transaction that is there: row by row, or by COPY.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "replication/postgres/batch.h"

namespace cairn::postgres {

// Of one call.
class BatchWriter {
 public:
  BatchWriter(Connection& connection, const Batch& batch) : connection_(connection), batch_(batch) {}

  // False: the cursor is not where the batch begins, and the transaction is to be rolled back.
  Result<bool> write(bool copied);

 private:
  Call advance() const;
  Result<bool> write_row_by_row();
  Result<bool> write_copied();
  Status copy_table(const Table& table, const Batch::Groups& groups);
  Status remove_groups(const Table& table, const Batch::Groups& groups, bool with_rows);
  Status copy_rows(const Table& table, const Batch::Groups& groups);
  Status forget();

  Connection& connection_;
  const Batch& batch_;
  std::deque<std::string> statements_;  // of the calls
};

}  // namespace cairn::postgres
