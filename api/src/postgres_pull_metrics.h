// SPDX-License-Identifier: Apache-2.0
//
// Brings runs of metrics from a database: each is compared point by point with what the store has of it, and goes on
// where that ends.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/src/postgres_pull.h"
#include "engine/results/entry_store.h"

namespace cairn {

// Of one store in one database. One thread.
class MetricPull {
 public:
  // All are borrowed. `progress` is called behind each write; its error ends the pull.
  MetricPull(postgres::Connection& connection, const postgres::Uuid& from, EntryStore& entries, DigestKind digest,
             PostgresPullReport& report, const std::function<Status()>& progress)
      : connection_(connection),
        from_(from),
        entries_(entries),
        digest_(digest),
        report_(report),
        progress_(progress) {}

  Status pull_all();

 private:
  Status pull_run(const std::string& run);

  postgres::Connection& connection_;
  const postgres::Uuid& from_;
  EntryStore& entries_;
  const DigestKind digest_;
  PostgresPullReport& report_;
  std::vector<std::string> left_out_;  // keys of entries that the database does not have whole
  const std::function<Status()>& progress_;
};

}  // namespace cairn
