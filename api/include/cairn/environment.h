// SPDX-License-Identifier: Apache-2.0
//
// What a process's environment says about the store that it opens, so that a job can be tuned
// without building it again:
//
//   CAIRN_STORE                    the store's folder
//   CAIRN_THREADS, CAIRN_NICE      StoreOptions::threads, nice
//   CAIRN_DISK_BUDGET_BYTES        StoreOptions::disk_budget_bytes
//   CAIRN_MEMORY_CACHE_BYTES       StoreOptions::memory_cache_bytes
//   CAIRN_RESULTS_PENDING_BYTES    StoreOptions::results_pending_bytes
//   CAIRN_WRITER_BUDGET_BYTES      WriterOptions::budget_bytes
//   CAIRN_WRITER_LINGER_US         WriterOptions::linger, in microseconds
//   CAIRN_METRICS_FLUSH_ROWS       MetricLogOptions::flush_rows
//   CAIRN_METRICS_FLUSH_MS         MetricLogOptions::flush_interval, in milliseconds
//
// Values are decimal. Bytes may end in K, M, G or T, for 1024 and its powers. A variable that is
// empty says nothing.
#pragma once

#include <string>

#include "cairn/result.h"
#include "cairn/store.h"

// A shared library shows what is declared from here on.
#pragma GCC visibility push(default)
namespace cairn {

// `path` where the environment names no folder.
std::string store_path_from_environment(const std::string& path = {});
// `options`, with what the environment says instead. ErrorCode::invalid_argument names the variable whose
// value cannot be meant. Neither call may run beside one that changes the environment (setenv(3)).
Result<StoreOptions> options_from_environment(StoreOptions options = {});

}  // namespace cairn
#pragma GCC visibility pop
