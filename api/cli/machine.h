// SPDX-License-Identifier: Apache-2.0
//
// What this machine offers that Cairn can use, found by asking the kernel and by trying.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace cairn::cli {

// A feature, and when it is missing, why and what that costs.
struct Feature {
  bool present = false;
  std::string reason;
};

struct Machine {
  std::string kernel;
  unsigned processors = 0;
  std::uint64_t memory_bytes = 0;
  std::optional<std::uint64_t> memory_lock_bytes;  // the limit; nothing when there is none
  bool avx2 = false, avx512 = false;
  Feature io_uring;
  // About the folder that was asked for.
  std::string folder;
  Feature direct_io;
  std::uint64_t space_total_bytes = 0, space_available_bytes = 0;
  // The files of the libraries this process has loaded, whose names hold their versions.
  std::map<std::string, std::string> libraries;
};

// `folder` need not exist: its nearest parent that does is looked at. Nothing is left
// behind in it: the file that tries O_DIRECT never has a name.
Machine look_at_machine(const std::string& folder);

}  // namespace cairn::cli
