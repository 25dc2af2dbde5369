// SPDX-License-Identifier: Apache-2.0
//
// Where this tree lies, for tests that read files of it. Only source_tree.cc is compiled with
// the path, so that a compiler cache serves the same objects to every checkout.
#pragma once

#include <filesystem>

namespace cairn::testing {

std::filesystem::path source_tree();

}  // namespace cairn::testing
