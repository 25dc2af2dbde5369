// SPDX-License-Identifier: Apache-2.0
//
// Bytes that can be read at any offset: a file on disk, memory, a part of another source.
#pragma once

#include "cairn/result.h"
#include "engine/base/bytes.h"

namespace cairn {

// Any thread may read. The content must not change while it is read; a source that finds
// itself shorter than size() returns an error.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::uint64_t size() const = 0;
  // Fills `into` from `offset`; the range lies inside size().
  virtual Status read_at(std::uint64_t offset, MutableBytes into) const = 0;
};

// Borrowed memory.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(Bytes bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Status read_at(std::uint64_t offset, MutableBytes into) const override;

 private:
  Bytes bytes_;
};

}  // namespace cairn
