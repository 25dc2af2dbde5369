// SPDX-License-Identifier: Apache-2.0
//
// The byte strings that a delta's payload consists of, as they are written and read: piece after piece of the tensor.
#pragma once

#include <vector>

#include "cairn/result.h"
#include "engine/base/bytes.h"

namespace cairn {

using DeltaStreams = std::vector<std::vector<std::byte>>;

// Hostile: nothing is known of what is read but its size.
class DeltaInput {
 public:
  virtual ~DeltaInput() = default;
  virtual std::size_t streams() const = 0;
  // How much of a stream has not been read.
  virtual std::uint64_t left(std::size_t stream) const = 0;
  // The next bytes of a stream; there are so many.
  virtual Status read(std::size_t stream, MutableBytes into) = 0;
};

// Streams in memory.
class MemoryDeltaInput final : public DeltaInput {
 public:
  explicit MemoryDeltaInput(const DeltaStreams& streams) : streams_(streams), at_(streams.size()) {}
  std::size_t streams() const override { return streams_.size(); }
  std::uint64_t left(std::size_t stream) const override { return streams_[stream].size() - at_[stream]; }
  Status read(std::size_t stream, MutableBytes into) override;
  // Begins again, with what the streams hold by now.
  void rewind() { at_.assign(streams_.size(), 0); }

 private:
  const DeltaStreams& streams_;
  std::vector<std::uint64_t> at_;
};

// ErrorCode::corruption of a delta's payload.
Error damaged_delta(const char* why);

// The same, checked: fewer bytes than asked for are damage.
Status read_exactly(DeltaInput& input, std::size_t stream, MutableBytes into);
// Seven bits to a byte, the lowest first, the highest bit of all but the last set; nothing longer than need be.
void put_varint(std::vector<std::byte>& out, std::uint64_t value);
Result<std::uint64_t> read_varint(DeltaInput& input, std::size_t stream);

}  // namespace cairn
