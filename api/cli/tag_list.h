// SPDX-License-Identifier: Apache-2.0
//
// Tags as they are written on the command line.
#pragma once

#include <string>
#include <vector>

#include "cairn/archive.h"

namespace cairn::cli {

// From "KEY=VALUE" each; the value may hold '=' and may be empty. invalid_argument for one
// without a '=' or without a key, or for a key given twice.
Result<Tags> parse_tags(const std::vector<std::string>& texts);

}  // namespace cairn::cli
