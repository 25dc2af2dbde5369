// SPDX-License-Identifier: Apache-2.0
//
// The one thing that the fuzz targets of model files do, each with its own name hint.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "tests/support/model_file_invariants.h"

namespace cairn {

inline int parse_and_check(const std::uint8_t* data, std::size_t size, std::string_view name) {
  const MemorySource source(Bytes(reinterpret_cast<const std::byte*>(data), size));
  const auto parsed = parse_model_file(source, name);
  // Memory can always be read, so nothing the bytes say may be an error.
  const std::string broken = parsed.ok() ? testing::broken_promise(*parsed, size) : parsed.error().message;
  if (!broken.empty()) {
    std::fprintf(stderr, "broken promise: %s\n", broken.c_str());
    std::abort();
  }
  return 0;
}

}  // namespace cairn
