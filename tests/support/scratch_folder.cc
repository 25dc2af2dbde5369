// SPDX-License-Identifier: Apache-2.0
#include "tests/support/scratch_folder.h"

#include <cstdlib>
#include <stdexcept>

namespace cairn::testing {

ScratchFolder::ScratchFolder() {
  const auto base = std::filesystem::current_path() / "scratch";
  std::filesystem::create_directories(base);
  std::string pattern = (base / "test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace cairn::testing
