// SPDX-License-Identifier: Apache-2.0
//
// What an open store knows of entries, and what stands on them.
#pragma once

#include <optional>

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
  Status start(int nice, const MetricLogOptions& metric_options, bool has_entries);
  // Nothing new is accepted after that, and nobody waits.
  Status close();

  LogEntryStore entries;
  ResultTable results;
  ExperimentTable experiments;
  OperationTable operations;
  std::optional<MetricLog> metrics;  // nothing: read-only
};

}  // namespace cairn
