// SPDX-License-Identifier: Apache-2.0
//
// Brings what a database has of stores into a store: experiments, evaluations, results and metrics, written as the
// store itself writes them.
//
// They go the way of every write of the store's, not that of a mirror's statements: numbers, versions and times on the
// clock are the store's own, sums and index keys follow from what is written, and what is there already is compared
// with what comes, under the same conditions as any two writers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/src/store_impl.h"
#include "replication/postgres/connection.h"
#include "replication/postgres/stop_event.h"
#include "replication/retry.h"

namespace cairn {

// What is told by name: the first of them, and how many there were.
struct PullNotes {
  static constexpr std::size_t kNamesMax = 100;
  std::uint64_t count = 0;
  std::vector<std::string> names;
  void add(std::string what) {
    if (++count <= kNamesMax) names.push_back(std::move(what));
  }
};

struct PostgresPullReport {
  std::uint64_t rows = 0;                                                          // that were looked at
  std::uint64_t experiments = 0, evaluations = 0, results = 0, metric_blocks = 0;  // that were written
  // What is something else here than there, and stayed what it is here.
  PullNotes conflicts;
  // What the database does not have whole: what could not be mirrored, and rows that no store writes.
  PullNotes left_out;
};

struct PostgresPullOptions {
  std::optional<postgres::Uuid> store = {};  // whose; nothing: of all that the database has
  // These alone, with their evaluations and the results that belong to them, without metrics. Empty: everything.
  std::vector<std::string> experiments = {};
  // What is committed together has about this size, unless one row is larger.
  std::size_t batch_bytes = std::size_t{4} << 20;
  RetryPolicy retry = {};
  RetryClock clock = system_retry_clock();
  postgres::StopEvent* stop = nullptr;  // ends a call that hangs
  // Called on the calling thread now and then; its error ends the pull.
  std::function<Status(const PostgresPullReport& so_far)> progress = {};
};

// May be repeated: what is there already is not written again, and what a pull that failed has brought is whole.
// - An experiment is known by its name. One that was made of the same texts gets the status that was set last; of other
//   texts, it is a conflict, and its evaluations stay away.
// - An evaluation is recorded once: the one that is there stays. One that says something else is a conflict.
// - Of two results, the one that was put later counts; it has of its time what is left of it there. Two values of the
//   same moment are a conflict.
// - A run of metrics goes on where it ends here. One that went another way here is a conflict.
// In memory are one row, what is committed together, and the names of experiments. The store is to be open for writing;
// whoever writes it meanwhile goes on.
// not_found: the database knows no such store or experiment; unsupported: its schema is not what it should be.
Result<PostgresPullReport> pull_from_postgres(StoreImpl& store, const postgres::Address& address,
                                              const PostgresPullOptions& options);

}  // namespace cairn
