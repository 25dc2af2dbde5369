// SPDX-License-Identifier: Apache-2.0
//
// What an open store knows of entries, and what stands on them.
#pragma once

#include "api/src/store_impl.h"
#include "engine/results/log_entry_store.h"
#include "engine/results/result_table.h"

namespace cairn {

struct StoreImpl::Tables {
  Tables(const LogEntryStore::Parts& parts, const LogEntryStore::Options& options)
      : entries(parts, options, machine_clock()), results(entries) {}

  // Nothing new is accepted after that.
  void close() {
    // Counts are worth no failure.
    static_cast<void>(results.flush_accesses().ok());
    entries.close();
  }

  LogEntryStore entries;
  ResultTable results;
};

}  // namespace cairn
