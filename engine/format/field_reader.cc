// SPDX-License-Identifier: Apache-2.0
//
// The words of decoders' errors, and reads that are checked against the end.
#include "engine/format/field_reader.h"

#include <algorithm>

namespace cairn {

Error wrong_field(std::string_view structure, std::string_view field, std::uint64_t offset, std::string_view why) {
  std::string message(structure);
  message.append(": field '").append(field).append("' at offset ").append(std::to_string(offset));
  message.append(" ").append(why);
  return make_error(ErrorCode::corruption, std::move(message));
}

Error newer_version(std::string_view structure, std::uint64_t version, std::uint64_t newest) {
  std::string message(structure);
  message.append(": made by a newer version of Cairn (format ").append(std::to_string(version));
  message.append("; this one reads up to ").append(std::to_string(newest)).append(")");
  return make_error(ErrorCode::unsupported, std::move(message));
}

bool all_zero(Bytes bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte value) { return value == std::byte{0}; });
}

Error FieldReader::truncated() const {
  return wrong("needs more bytes than the " + std::to_string(reader_.remaining()) + " that are left");
}

Result<std::int64_t> FieldReader::get_signed(std::string_view field) {
  CAIRN_TRY(const auto value, get<std::uint64_t>(field));
  return static_cast<std::int64_t>(value);
}

Result<bool> FieldReader::get_bool(std::string_view field) {
  CAIRN_TRY(const auto value, get<std::uint8_t>(field));
  if (value > 1) return wrong("is neither 0 nor 1");
  return value == 1;
}

Result<Digest> FieldReader::get_digest(std::string_view field) {
  at_ = reader_.offset();
  field_ = field;
  const auto bytes = reader_.get_bytes(Digest::kSize);
  if (!bytes) return truncated();
  Digest digest;
  std::copy(bytes->begin(), bytes->end(), digest.bytes.begin());
  return digest;
}

Result<Bytes> FieldReader::get_bytes(std::string_view field) {
  at_ = reader_.offset();
  field_ = field;
  const auto size = reader_.get<std::uint32_t>();
  if (!size) return truncated();
  if (const auto bytes = reader_.get_bytes(*size)) return *bytes;
  return truncated();
}
Result<std::string> FieldReader::get_string(std::string_view field) {
  at_ = reader_.offset();
  field_ = field;
  const auto text = reader_.get_string();
  if (!text) return truncated();
  return std::string(*text);
}

Result<std::uint32_t> FieldReader::get_count(std::string_view field, std::size_t entry_bytes_min) {
  CAIRN_TRY(const auto count, get<std::uint32_t>(field));
  if (count > reader_.remaining() / entry_bytes_min) {
    return wrong("counts " + std::to_string(count) + " entries, more than " + std::to_string(reader_.remaining()) +
                 " bytes can hold");
  }
  return count;
}

Status FieldReader::expect_end() const {
  if (reader_.exhausted()) return {};
  return wrong_field(structure_, "end", reader_.offset(),
                     "is followed by " + std::to_string(reader_.remaining()) + " bytes that mean nothing");
}

}  // namespace cairn
