// SPDX-License-Identifier: Apache-2.0
//
// What the parts of a reclaiming work on.
#pragma once

#include <cstdint>
#include <string>

#include "engine/index/index.h"
#include "engine/log/log_reader.h"
#include "engine/log/log_writer.h"

namespace cairn {

struct ReclaimParts {
  FileSystem& fs;
  std::string log_folder;
  std::uint64_t store_tag;
  DigestKind digest;
  Index& index;
  LogWriter& log;
  LogReader& reader;
  ObjectParts& parts;
};

}  // namespace cairn
