// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "engine/base/errors.h"
#include "engine/content/byte_source.h"

namespace cairn {

Status MemorySource::read_at(std::uint64_t offset, MutableBytes into) const {
  if (offset > bytes_.size() || into.size() > bytes_.size() - offset) {
    return make_error(ErrorCode::io, "read of " + std::to_string(into.size()) + " bytes at " + std::to_string(offset) +
                                         " of a memory source of " + std::to_string(bytes_.size()) + " bytes");
  }
  // memcpy from the null pointer of an empty span is undefined even for no bytes.
  if (!into.empty()) std::memcpy(into.data(), bytes_.data() + offset, into.size());
  return {};
}

}  // namespace cairn
