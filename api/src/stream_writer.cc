// SPDX-License-Identifier: Apache-2.0
#include "api/src/stream_writer.h"

#include <algorithm>
#include <utility>

#include "engine/base/errors.h"

namespace cairn {

Status StreamWriter::append(Bytes bytes) {
  const std::size_t block_bytes = sink_.options().block_bytes;
  while (!bytes.empty()) {
    if (!block_) {
      block_ = buffers_.take();
      if (!block_) return make_error(ErrorCode::resource_exhausted, "no memory for a block");
    }
    const std::size_t part = std::min(bytes.size(), block_bytes - filled_);
    std::copy_n(bytes.begin(), part, block_->data() + filled_);
    filled_ += part;
    bytes = bytes.subspan(part);
    if (filled_ == block_bytes) CAIRN_CHECK(write_block());
  }
  return {};
}

Status StreamWriter::write_block() {
  const SharedBuffer hold = std::exchange(block_, nullptr);
  const Bytes content = hold->first(std::exchange(filled_, 0));
  whole_.update(content);
  bytes_ += content.size();
  CAIRN_TRY(const BlockSink::Block block, sink_.prepare(hold, content, dtype_));
  if (block.claimed) {
    stored_ += block.payload.size();
  } else if (block.known) {
    CAIRN_TRY(const auto at, index_.find_block(block.digest));
    if (at) stored_ += at->stored_bytes;
  }
  CAIRN_CHECK(sink_.append(block));
  blocks_.push_back({block.digest, static_cast<std::uint32_t>(content.size())});
  return sink_.commit_if_due();
}

Result<Digest> StreamWriter::finish() {
  if (block_) CAIRN_CHECK(write_block());
  const Digest id = blocks_.size() == 1 ? blocks_.front().digest : whole_.finish();
  CAIRN_CHECK(sink_.write_blob_manifest(id, std::move(blocks_), bytes_));
  return id;
}

}  // namespace cairn
