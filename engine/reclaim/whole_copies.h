// SPDX-License-Identifier: Apache-2.0
//
// Other whole copies of what is quarantined: the log may have one that reclaiming or writing
// again has left behind.
#pragma once

#include "engine/base/progress_meter.h"
#include "engine/io/file_system.h"
#include "engine/read/block_reader.h"

namespace cairn {

struct WholeCopy {
  Digest key;
  RecordLocation at;
};

// One for each block and object that has any. Reads every segment's table.
Result<std::vector<WholeCopy>> find_whole_copies(FileSystem& fs, const std::string& log_folder, std::uint64_t store_tag,
                                                 BlockReader& reader, const ProgressMeter& meter);

}  // namespace cairn
