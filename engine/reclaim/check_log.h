// SPDX-License-Identifier: Apache-2.0
//
// The first step of a check: the structure of the log.
#pragma once

#include "engine/base/progress_meter.h"
#include "engine/io/file_system.h"
#include "engine/read/block_reader.h"
#include "engine/reclaim/findings.h"

namespace cairn {

// Headers, heads and tables of every segment; notes how long each is.
Status check_log(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag, BlockReader& reader,
                 const Progress& progress, Findings& findings);

}  // namespace cairn
