// SPDX-License-Identifier: Apache-2.0
#include "tests/support/source_tree.h"

namespace cairn::testing {

std::filesystem::path source_tree() { return CAIRN_SOURCE_DIR; }

}  // namespace cairn::testing
