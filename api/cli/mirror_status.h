// SPDX-License-Identifier: Apache-2.0
//
// cairn mirror status: what a mirror has, and what it does not have yet.
#pragma once

#include <string>
#include <vector>

#include "api/cli/json_fields.h"
#include "api/cli/session.h"

namespace cairn::cli {

Json array_of_texts(const std::vector<std::string>& texts);

// `fields` are those of the mirror's place, to which the document adds.
void show_mirror_status(Session& session, const MirrorStatus& found, Json fields);

}  // namespace cairn::cli
