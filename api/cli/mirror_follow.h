// SPDX-License-Identifier: Apache-2.0
//
// cairn mirror push --follow: see mirror_follow.cc.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "api/cli/session.h"

namespace cairn::cli {

struct FollowOptions {
  std::string mirror;
  std::string limit;                // bytes a second, "10MiB"; empty: none
  std::optional<std::size_t> idle;  // ends after so many seconds without anything new
};

Result<int> follow_with_mirror(Session& session, const FollowOptions& options);

}  // namespace cairn::cli
