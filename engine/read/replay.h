// SPDX-License-Identifier: Apache-2.0
//
// Brings an index up to date with the log: applies every record behind the index's
// position, in order. An index at position zero is thereby rebuilt from the log alone.
#pragma once

#include <string>
#include <vector>

#include "cairn/progress.h"
#include "engine/base/worker_pool.h"
#include "engine/index/index.h"
#include "engine/log/log_writer.h"

namespace cairn {

struct Replayed {
  LogEnd end;  // where a writer goes on
  std::uint64_t records = 0;
  std::uint64_t torn_bytes = 0;     // behind the end: writes that never finished
  std::vector<std::string> damage;  // places that were synced and are bad now
  bool lost = false;                // records with them: refs and roots may be among those
  bool gap = false;                 // segments are missing behind where the index was
};

// Changes nothing but the index. Damage is reported, not an error: the records around it
// are applied. Sealed segments are read by their tables, an open one is verified whole,
// in `pool`, or without one on the calling thread.
Result<Replayed> replay_log(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag, Index& index,
                            WorkerPool* pool, const Progress& progress);

// For a reader beside the writer: applies what lies between the index's position and
// `to`, which was synced. Around damage: the next opening and check() report it. False when
// some of it was reclaimed: the index has to be opened anew.
Result<bool> follow_log(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag, Index& index,
                        const Position& to);

}  // namespace cairn
