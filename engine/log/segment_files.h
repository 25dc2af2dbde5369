// SPDX-License-Identifier: Apache-2.0
//
// The log's folder: one file per segment, named after its number.
#pragma once

#include <string>
#include <vector>

#include "engine/io/file_system.h"

namespace cairn {

// "FOLDER/00000001.seg".
std::string segment_path(const std::string& folder, std::uint32_t segment);

// The numbers of the segments in `folder`, ascending. Files with other names are ignored.
Result<std::vector<std::uint32_t>> list_segments(FileSystem& fs, const std::string& folder);

}  // namespace cairn
