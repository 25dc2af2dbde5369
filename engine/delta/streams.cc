// SPDX-License-Identifier: Apache-2.0
#include "engine/delta/streams.h"

#include <algorithm>
#include <string>

#include "engine/base/errors.h"

namespace cairn {

Error damaged_delta(const char* why) {
  return make_error(ErrorCode::corruption, std::string("the payload of a delta: ") + why);
}

Status MemoryDeltaInput::read(std::size_t stream, MutableBytes into) {
  std::copy_n(streams_[stream].begin() + static_cast<std::ptrdiff_t>(at_[stream]), into.size(), into.begin());
  at_[stream] += into.size();
  return {};
}

Status read_exactly(DeltaInput& input, std::size_t stream, MutableBytes into) {
  if (input.left(stream) < into.size()) return damaged_delta("a stream ends early");
  return input.read(stream, into);
}

void put_varint(std::vector<std::byte>& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::byte>(value | 0x80));
  out.push_back(static_cast<std::byte>(value));
}

Result<std::uint64_t> read_varint(DeltaInput& input, std::size_t stream) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    std::byte next{};
    CAIRN_CHECK(read_exactly(input, stream, {&next, 1}));
    const auto bits = std::to_integer<std::uint64_t>(next & std::byte{0x7f});
    if (shift == 63 && bits > 1) break;
    value |= bits << shift;
    if ((next & std::byte{0x80}) != std::byte{0}) continue;
    if (bits == 0 && shift > 0) return damaged_delta("a number is longer than it need be");
    return value;
  }
  return damaged_delta("a number is too large");
}

}  // namespace cairn
