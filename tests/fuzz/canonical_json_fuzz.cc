// SPDX-License-Identifier: Apache-2.0
//
// JSON texts as hostile bytes: what has a canonical text has it once and for all.
#include <cstdint>
#include <cstdlib>

#include "engine/content/canonical_json.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto canonical = cairn::canonical_json(text);
  if (!canonical.ok()) {
    require(canonical.error().code == cairn::ErrorCode::invalid_argument && !canonical.error().message.empty());
    return 0;
  }
  require(cairn::check_json(text).ok());
  require(cairn::canonical_json(*canonical).value() == *canonical);
  for (const char c : *canonical) require(static_cast<unsigned char>(c) >= 0x20);
  return 0;
}
