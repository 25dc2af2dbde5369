// SPDX-License-Identifier: Apache-2.0
//
// The bytes of a tensor in their one order, wherever they are: in the caller's memory, or in the store.
#pragma once

#include <future>
#include <memory>

#include "api/src/store_impl.h"
#include "cairn/deltas.h"
#include "engine/base/buffer_pool.h"
#include "engine/read/file_pieces.h"
#include "engine/write/value_layout.h"

namespace cairn {

// Owned by one thread. Best read from front to back.
class ByteReading {
 public:
  virtual ~ByteReading() = default;
  // Bytes [offset, offset + bytes), which are there; good until the next call.
  virtual Result<Bytes> read(std::uint64_t offset, std::size_t bytes) = 0;
};

// Verified; holds one block, and reads the next one ahead in the pool.
class StoredBytes final : public ByteReading {
 public:
  StoredBytes(BlockReader& blocks, WorkerPool& pool, FilePieces pieces)
      : blocks_(blocks), pool_(pool), pieces_(std::move(pieces)) {}
  ~StoredBytes() override;
  std::uint64_t size() const noexcept { return pieces_.total_bytes; }
  Result<Bytes> read(std::uint64_t offset, std::size_t bytes) override;

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  Status load(std::uint64_t offset);

  BlockReader& blocks_;
  WorkerPool& pool_;
  const FilePieces pieces_;
  std::size_t at_ = kNone;  // the piece whose block is held
  std::size_t coming_at_ = kNone;
  std::future<Result<Block>> coming_;
  Block block_;
  std::vector<std::byte> joined_;
};

class GivenBytes final : public ByteReading {
 public:
  GivenBytes(Bytes memory, ValueLayout layout) : memory_(memory), layout_(std::move(layout)) {}
  Result<Bytes> read(std::uint64_t offset, std::size_t bytes) override;

 private:
  const Bytes memory_;
  const ValueLayout layout_;
  std::vector<std::byte> gathered_;
};

struct ReadableTensor {
  DType dtype = DType::opaque;
  std::vector<std::uint64_t> shape;
  std::uint64_t bytes = 0;
  std::unique_ptr<ByteReading> content;
};

// invalid_argument, with `what` in front, when the layout does not fit the memory.
Result<ReadableTensor> open_given(const TensorBytes& given, const char* what);
// not_found when the store has no such tensor; invalid_argument when it is not row-major and little-endian.
Result<ReadableTensor> open_stored(StoreImpl& store, const Digest& tensor);

// The id of the tensor; reads all of it.
Result<Digest> id_of(DigestKind digest, const ReadableTensor& tensor);

}  // namespace cairn
