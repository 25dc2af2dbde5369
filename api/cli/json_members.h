// SPDX-License-Identifier: Apache-2.0
//
// The members of a JSON object as the texts that stand there: what is read into numbers and written again is often
// another text, and a value that is copied must stay the same.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "api/cli/output.h"

namespace cairn::cli {

// Each borrows from the text that it was found in.
using JsonMembers = std::map<std::string, std::string_view, std::less<>>;

// Hostile text: invalid_argument unless it is one JSON object without a name that occurs twice.
Result<JsonMembers> members_of(std::string_view text);

}  // namespace cairn::cli
