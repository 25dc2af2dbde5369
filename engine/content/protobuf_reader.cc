// SPDX-License-Identifier: Apache-2.0
#include "engine/content/protobuf_reader.h"

namespace cairn {

std::optional<std::uint64_t> ProtobufReader::varint(std::uint64_t message_end) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && offset() < message_end; shift += 7) {
    const auto byte = reader_.get<std::uint8_t>();
    if (!byte) return std::nullopt;
    // Of the tenth byte only one bit is left.
    if (shift == 63 && *byte > 1) break;
    value |= std::uint64_t{*byte & 0x7fu} << shift;
    if ((*byte & 0x80) == 0) return value;
  }
  failed_ = true;
  return std::nullopt;
}

std::optional<ProtobufField> ProtobufReader::next(std::uint64_t message_end) {
  if (failed() || offset() >= message_end) return std::nullopt;
  const auto tag = varint(message_end);
  if (!tag) return std::nullopt;
  if (*tag >> 3 == 0) {
    failed_ = true;
    return std::nullopt;
  }
  ProtobufField field{.number = *tag >> 3, .wire = {}, .value = 0, .begin = 0, .end = 0};
  std::uint64_t bytes = 0;
  switch (*tag & 7) {
    case 0: {
      const auto value = varint(message_end);
      if (!value) return std::nullopt;
      field.value = *value;
      field.begin = field.end = offset();
      break;
    }
    case 1: bytes = 8; break;
    case 5: bytes = 4; break;
    case 2: {
      const auto length = varint(message_end);
      if (!length) return std::nullopt;
      bytes = *length;
      break;
    }
    default: failed_ = true; return std::nullopt;  // groups, and what does not exist
  }
  field.wire = static_cast<ProtobufField::Wire>(*tag & 7);
  if (field.wire != ProtobufField::Wire::varint) {
    if (bytes > message_end - offset()) {
      failed_ = true;
      return std::nullopt;
    }
    field.begin = offset();
    field.end = field.begin + bytes;
    if (field.wire != ProtobufField::Wire::bytes) reader_.skip(bytes);
  }
  return field;
}

std::optional<std::string> ProtobufReader::text(const ProtobufField& field, std::uint64_t bytes_max) {
  return reader_.get_text(field.end - field.begin, bytes_max);
}

void ProtobufReader::skip_to(std::uint64_t offset_to) {
  if (offset_to < offset() || !reader_.skip(offset_to - offset())) failed_ = true;
}

}  // namespace cairn
