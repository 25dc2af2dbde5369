// SPDX-License-Identifier: Apache-2.0
//
// How decoders read fields and say what is wrong with one: "tree manifest: field 'mode'
// at offset 17 is above 07777". Used inside engine/format and by what is in entries.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/digest.h"
#include "engine/base/endian.h"
#include "engine/base/errors.h"

namespace cairn {

// ErrorCode::corruption for one field of one structure.
Error wrong_field(std::string_view structure, std::string_view field, std::uint64_t offset, std::string_view why);

// ErrorCode::unsupported: `version` of `structure` is above the newest that this build reads.
Error newer_version(std::string_view structure, std::uint64_t version, std::uint64_t newest);

// Whether all of `bytes` are zero: reserved space must be, so that equal values have one
// encoding and a later version can give the space a meaning.
bool all_zero(Bytes bytes) noexcept;

// ByteReader with names. The error of a failed read names the structure, field and offset.
class FieldReader {
 public:
  FieldReader(std::string_view structure, Bytes bytes) : structure_(structure), reader_(bytes) {}

  template <std::unsigned_integral T>
  Result<T> get(std::string_view field) {
    at_ = reader_.offset();
    field_ = field;
    if (const auto value = reader_.get<T>()) return *value;
    return truncated();
  }
  Result<std::int64_t> get_signed(std::string_view field);
  Result<bool> get_bool(std::string_view field);  // 0 or 1, nothing else
  Result<Digest> get_digest(std::string_view field);
  Result<std::string> get_string(std::string_view field);  // a length of four bytes, then as many
  Result<Bytes> get_bytes(std::string_view field);         // the same, where they are
  // A count of entries that follow: refused when that many, each of at least
  // `entry_bytes_min` bytes, cannot be there. So a count may be reserved for.
  Result<std::uint32_t> get_count(std::string_view field, std::size_t entry_bytes_min);

  // Refuses bytes after the last field.
  Status expect_end() const;

  // The error for the field that was read last.
  Error wrong(std::string_view why) const { return wrong_field(structure_, field_, at_, why); }
  std::string_view structure() const noexcept { return structure_; }

 private:
  Error truncated() const;

  std::string_view structure_, field_;
  ByteReader reader_;
  std::size_t at_ = 0;  // of the field read last
};

}  // namespace cairn
