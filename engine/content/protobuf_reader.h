// SPDX-License-Identifier: Apache-2.0
//
// The wire format of Protocol Buffers: fields of a message, one after another, of which
// only those that are wanted are read.
// Format: https://protobuf.dev/programming-guides/encoding/
#pragma once

#include "engine/content/source_reader.h"

namespace cairn {

struct ProtobufField {
  enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };
  std::uint64_t number = 0;
  Wire wire = Wire::varint;
  std::uint64_t value = 0;  // of a varint
  std::uint64_t begin = 0;  // of the payload, in the source
  std::uint64_t end = 0;
};

class ProtobufReader {
 public:
  explicit ProtobufReader(const ByteSource& source) : reader_(source, 0, source.size()) {}

  // The next field of the message that ends at `message_end`; nothing at its end, and
  // after a failure. The reader then stands at the payload of a bytes field, which the
  // caller reads as a message, as text, or leaves with skip_to(field.end). Other fields
  // are behind it already.
  std::optional<ProtobufField> next(std::uint64_t message_end);
  std::optional<std::uint64_t> varint(std::uint64_t message_end);
  std::optional<std::string> text(const ProtobufField& field, std::uint64_t bytes_max);
  void skip_to(std::uint64_t offset);

  bool failed() const noexcept { return failed_ || reader_.failed(); }
  std::uint64_t offset() const noexcept { return reader_.offset(); }
  const Status& status() const noexcept { return reader_.status(); }

 private:
  SourceReader reader_;
  bool failed_ = false;
};

}  // namespace cairn
