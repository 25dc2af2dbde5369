// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as text of a database in UTF-8, and back; and which JSON jsonb can hold. PostgreSQL's text has no zero byte
// and nothing that is not UTF-8, while Cairn's keys and names may be any bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cairn::postgres {

// UTF-8 without zero bytes and backslashes stays what it is. A backslash is doubled, and each other byte becomes \ooo
// in octal: what bytea's escape format is, so that in SQL `key::bytea` has the bytes.
void append_escaped(std::string& out, std::string_view bytes);
inline std::string escaped(std::string_view bytes) {
  std::string text;
  append_escaped(text, bytes);
  return text;
}
// Nothing: nobody escaped this.
std::optional<std::string> unescaped(std::string_view text);

// Whether `text` is JSON whose every string and number jsonb takes: UTF-8, no \u0000 and no half of a surrogate pair,
// no number beyond the range of double, nested at most 64 deep and at most 16 MiB large.
bool fits_jsonb(std::string_view text);

}  // namespace cairn::postgres
