// SPDX-License-Identifier: Apache-2.0
#include "api/src/tensor_reader.h"

#include <algorithm>

#include "api/src/object_info.h"
#include "engine/base/errors.h"
#include "engine/content/digester.h"

namespace cairn {

StoredBytes::~StoredBytes() {
  if (coming_.valid()) coming_.wait();
}

Status StoredBytes::load(std::uint64_t offset) {
  const auto above = [](std::uint64_t wanted, const Piece& piece) { return wanted < piece.offset; };
  const auto found = std::upper_bound(pieces_.pieces.begin(), pieces_.pieces.end(), offset, above);
  CAIRN_INVARIANT(found != pieces_.pieces.begin());
  const auto at = static_cast<std::size_t>(found - pieces_.pieces.begin()) - 1;
  if (at == at_) return {};
  at_ = kNone;
  const bool ahead = coming_.valid() && coming_at_ == at;
  auto block = ahead ? coming_.get() : blocks_.read_block(pieces_.pieces[at].block.digest);
  if (!block.ok()) return lost(std::move(block).error());
  if (block->content.size() != pieces_.pieces[at].length) {
    return make_error(ErrorCode::corruption, "a block has " + std::to_string(block->content.size()) + " bytes, not " +
                                                 std::to_string(pieces_.pieces[at].length));
  }
  block_ = std::move(block).value();
  at_ = at;
  if (coming_.valid()) coming_.wait();
  coming_at_ = at + 1;
  if (coming_at_ == pieces_.pieces.size()) return {};
  const auto read_next = [&blocks = blocks_, digest = pieces_.pieces[coming_at_].block.digest] {
    return blocks.read_block(digest);
  };
  coming_ = run_in(pool_, read_next);
  return {};
}

Result<Bytes> StoredBytes::read(std::uint64_t offset, std::size_t bytes) {
  CAIRN_INVARIANT(offset <= size() && bytes <= size() - offset);
  if (bytes == 0) return Bytes();
  CAIRN_CHECK(load(offset));
  const std::uint64_t skip = offset - pieces_.pieces[at_].offset;
  if (bytes <= block_.content.size() - skip) return block_.content.subspan(skip, bytes);
  joined_.resize(bytes);
  for (std::size_t done = 0; done < bytes;) {
    CAIRN_CHECK(load(offset + done));
    const Bytes rest = block_.content.subspan(offset + done - pieces_.pieces[at_].offset);
    const std::size_t part = std::min(rest.size(), bytes - done);
    std::copy_n(rest.begin(), part, joined_.begin() + static_cast<std::ptrdiff_t>(done));
    done += part;
  }
  return Bytes(joined_);
}

Result<Bytes> GivenBytes::read(std::uint64_t offset, std::size_t bytes) {
  if (layout_.contiguous()) return memory_.subspan(offset, bytes);
  gathered_.resize(bytes);
  layout_.gather(memory_, offset, gathered_);
  return Bytes(gathered_);
}

Result<ReadableTensor> open_given(const TensorBytes& given, const char* what) {
  auto layout = ValueLayout::of({.bytes = given.bytes, .tensor = given.layout, .name = what});
  if (!layout.ok()) return std::move(layout).error();
  ReadableTensor tensor{.dtype = given.layout.dtype, .shape = given.layout.shape, .bytes = layout->total_bytes()};
  tensor.content = std::make_unique<GivenBytes>(given.bytes, std::move(layout).value());
  return tensor;
}

Result<ReadableTensor> open_stored(StoreImpl& store, const Digest& id) {
  CAIRN_TRY(const TensorManifest tensor, load_tensor(store.blocks(), id));
  if (tensor.attribute != 0) {
    return make_error(ErrorCode::invalid_argument,
                      store.id_text(id) + ": no deltas are made of tensors in Fortran order, big-endian or of ggml");
  }
  auto pieces = pieces_of_blob(store.blocks(), tensor.blob, tensor.bytes);
  if (!pieces.ok()) return lost(std::move(pieces).error());
  ReadableTensor out{.dtype = tensor.dtype, .shape = tensor.shape, .bytes = tensor.bytes};
  out.content = std::make_unique<StoredBytes>(store.blocks(), store.pool(), std::move(pieces).value());
  return out;
}

Result<Digest> id_of(DigestKind digest, const ReadableTensor& tensor) {
  Digester digester(digest);
  for (std::uint64_t at = 0; at < tensor.bytes; at += MiB) {
    CAIRN_TRY(const Bytes piece, tensor.content->read(at, std::min<std::uint64_t>(MiB, tensor.bytes - at)));
    digester.update(piece);
  }
  return tensor_id(digest, tensor.dtype, 0, tensor.shape, digester.finish());
}

}  // namespace cairn
