// SPDX-License-Identifier: Apache-2.0
//
// What an open store knows of entries, and what stands on them.
#pragma once

#include <memory>
#include <mutex>

#include "api/src/store_impl.h"
#include "engine/results/experiment_table.h"
#include "engine/results/log_entry_store.h"
#include "engine/results/metric_log.h"
#include "engine/results/operation_table.h"
#include "engine/results/result_table.h"

namespace cairn {

struct StoreImpl::Tables {
  Tables(const LogEntryStore::Parts& parts, const LogEntryStore::Options& options)
      : entries(parts, options, machine_clock()),
        results(entries),
        experiments(entries, options.digest),
        operations(entries, {.read_only = parts.log == nullptr}) {}

  // Reads what the store's clock says, and takes over what a process that is gone had claimed.
  Status start(int nice, bool has_entries);
  // Begun by the first call, as its thread; null: the store is read-only.
  Result<MetricLog*> metrics(const MetricLogOptions& metric_options);
  // Nothing new is accepted after that, and nobody waits.
  Status close();

  LogEntryStore entries;
  ResultTable results;
  ExperimentTable experiments;
  OperationTable operations;

 private:
  std::mutex mutex_;
  bool closed_ = false;  // guarded by mutex_, as what follows
  std::unique_ptr<MetricLog> metrics_;
};

}  // namespace cairn
