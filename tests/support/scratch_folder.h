// SPDX-License-Identifier: Apache-2.0
//
// A folder for one test, under the working directory's file system (not tmpfs, so that
// O_DIRECT is real), gone when the test ends.
#pragma once

#include <filesystem>
#include <string>

namespace cairn::testing {

class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace cairn::testing
