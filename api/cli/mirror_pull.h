// SPDX-License-Identifier: Apache-2.0
//
// What `cairn mirror pull` and `restore` say of what came back.
#pragma once

#include <string>

#include "api/cli/verb.h"
#include "cairn/mirrors.h"

namespace cairn::cli {

// `how`: "Pulled". Returns how the command ends.
int show_mirror_pull(Session& session, const MirrorPullReport& report, const std::string& how);

}  // namespace cairn::cli
