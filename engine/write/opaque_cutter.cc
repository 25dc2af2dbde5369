// SPDX-License-Identifier: Apache-2.0
#include "engine/write/opaque_cutter.h"

#include <algorithm>

#include "engine/base/errors.h"

namespace cairn {
namespace {

// Blocks to a window: what is left uncut of one is copied to the next.
constexpr std::size_t kWindowBlocks = 4;

}  // namespace

OpaqueCutter::OpaqueCutter(const ByteSource& source, std::uint32_t block_bytes)
    : source_(source), splitter_(block_bytes), windows_(kWindowBlocks * splitter_.max_bytes()) {}

Result<std::optional<OpaqueCutter::Cut>> OpaqueCutter::next() {
  if (rest_.size() < splitter_.max_bytes() && read_to_ < source_.size()) CAIRN_CHECK(refill());
  if (rest_.empty()) return std::optional<Cut>();
  const std::size_t length = splitter_.cut(rest_);
  CAIRN_INVARIANT(length > 0 && length <= rest_.size());
  Cut cut{.hold = window_, .bytes = rest_.first(length)};
  rest_ = rest_.subspan(length);
  return std::optional<Cut>(std::move(cut));
}

Status OpaqueCutter::refill() {
  const std::shared_ptr<AlignedBuffer> next = windows_.take();
  if (!next) return make_error(ErrorCode::resource_exhausted, "no memory to cut a file");
  std::copy(rest_.begin(), rest_.end(), next->data());
  const auto wanted = std::min<std::uint64_t>(windows_.buffer_bytes() - rest_.size(), source_.size() - read_to_);
  CAIRN_CHECK(source_.read_at(read_to_, next->span().subspan(rest_.size(), wanted)));
  read_to_ += wanted;
  rest_ = next->first(rest_.size() + wanted);
  window_ = next;
  return {};
}

}  // namespace cairn
