// SPDX-License-Identifier: Apache-2.0
#include "api/src/tensor_slice.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "api/src/object_info.h"
#include "engine/base/errors.h"

namespace cairn {

Result<std::vector<std::byte>> read_slice(StoreImpl& store, const std::string& what, const TensorManifest& tensor,
                                          const FilePieces& whole, const std::vector<std::uint64_t>& begin,
                                          const std::vector<std::uint64_t>& end) {
  const auto wrong = [&](const char* why) { return make_error(ErrorCode::invalid_argument, what + ": " + why); };
  const std::vector<std::uint64_t>& shape = tensor.shape;
  const unsigned bits = dtype_bits(tensor.dtype);
  if (bits == 0 || bits % 8 != 0) return wrong("elements of this dtype have no whole bytes");
  if (begin.size() != shape.size() || end.size() != shape.size())
    return wrong("a slice has as many sides as the tensor");
  std::uint64_t elements = 1;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (begin[d] > end[d] || end[d] > shape[d]) return wrong("the slice leaves the tensor");
    elements *= end[d] - begin[d];
  }
  const std::uint64_t element_bytes = bits / 8;
  // A manifest is hostile: the shape decides what is read.
  std::uint64_t all = element_bytes;
  for (const std::uint64_t extent : shape) {
    if (__builtin_mul_overflow(all, extent, &all)) all = std::numeric_limits<std::uint64_t>::max();
  }
  if (all != whole.total_bytes) {
    return make_error(ErrorCode::corruption,
                      what + ": its shape and dtype do not make " + std::to_string(whole.total_bytes) + " bytes");
  }
  std::vector<std::byte> slice(elements * element_bytes);
  if (slice.empty()) return slice;

  // Dimensions that are taken whole at the end make one run with the one before them.
  std::size_t inner = shape.size();
  std::uint64_t run = element_bytes;
  while (inner > 0) {
    --inner;
    run *= end[inner] - begin[inner];
    if (begin[inner] != 0 || end[inner] != shape[inner]) break;
  }
  std::vector<std::uint64_t> at(begin);
  std::optional<Block> block;  // runs ascend: each block is read once
  const Piece* held = nullptr;
  auto piece = whole.pieces.begin();
  for (std::size_t done = 0; done < slice.size();) {
    std::uint64_t offset = 0;
    for (std::size_t d = 0; d < shape.size(); ++d) offset = offset * shape[d] + at[d];
    offset *= element_bytes;
    for (std::uint64_t copied = 0; copied < run;) {
      const std::uint64_t wanted = offset + copied;
      while (piece->offset + piece->length <= wanted) ++piece;
      if (held != &*piece) {
        auto read = store.blocks().read_block(piece->block.digest);
        if (!read.ok()) return lost(std::move(read).error());
        block = std::move(read).value();
        if (block->content.size() < std::uint64_t{piece->skip} + piece->length) {
          return make_error(ErrorCode::corruption, what + ": a block is shorter than its manifest says");
        }
        held = &*piece;
      }
      const std::uint64_t within = wanted - piece->offset;
      const std::size_t bytes = std::min<std::uint64_t>(run - copied, piece->length - within);
      std::memcpy(slice.data() + done, block->content.data() + piece->skip + within, bytes);
      copied += bytes;
      done += bytes;
    }
    for (std::size_t d = inner; d-- > 0;) {
      if (++at[d] < end[d]) break;
      at[d] = begin[d];
    }
  }
  return slice;
}

}  // namespace cairn
