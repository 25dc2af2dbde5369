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
  // Whether the range has to come from a device: worth beginning to read before it is needed.
  virtual bool is_on_device(std::uint64_t /*offset*/, std::uint64_t /*length*/) const { return false; }
  // Reads as read_at() does, to anywhere in `pages`, which starts on a page and has room for
  // two pages more than `length`. Returns where.
  virtual Result<Bytes> read_pages(std::uint64_t offset, std::size_t length, MutableBytes pages) const {
    CAIRN_CHECK(read_at(offset, pages.first(length)));
    return Bytes(pages.first(length));
  }
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
