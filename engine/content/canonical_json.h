// SPDX-License-Identifier: Apache-2.0
//
// One text for all JSON texts of the same value, by the JSON Canonicalization Scheme (RFC 8785):
// what its digest is the key of.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "cairn/digest.h"

namespace cairn {

inline constexpr std::size_t kJsonBytesMax = std::size_t{16} * 1024 * 1024;
inline constexpr std::size_t kJsonDepthMax = 64;

// No white space, members sorted by the UTF-16 code units of their names, numbers and strings
// as ECMAScript writes them. Refused, so that no two values have one text: a name that occurs
// twice in an object, and an integer that no double is equal to, unless it is written as this
// function writes it. ErrorCode::invalid_argument names the offset, the member or the number
// that is wrong.
Result<std::string> canonical_json(std::string_view text);

// Of the canonical text's bytes: what b3sum or xxh128sum prints for them.
Result<Digest> canonical_digest(DigestKind kind, std::string_view text);

// Whether `text` is JSON that is kept as it is: the same faults but for large integers.
Status check_json(std::string_view text);

}  // namespace cairn
